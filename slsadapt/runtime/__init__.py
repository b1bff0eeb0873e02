"""Run functions wherever AWS's public Lambda Runtime API is spoken.

``python -m slsadapt.runtime index.main_handler`` is a bootstrap for a custom runtime: AWS Lambda on
``provided.al2023``, the Runtime Interface Emulator, ``slsadapt serve``. The handler is the argument
or ``_HANDLER``, its folder ``LAMBDA_TASK_ROOT`` or the working directory.

Source: https://docs.aws.amazon.com/lambda/latest/dg/runtimes-custom.html

The modules import next to nothing, because all of them are on the way of a cold start.
"""
