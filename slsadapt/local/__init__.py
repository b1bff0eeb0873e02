"""The cloud on one machine: a gateway, a pool of instances, and what runs inside of each."""
