"""Print what imports cost: as a tree, by package, by line, and what nothing ran of."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from ..bench.blame import direct, first_level, idle, in_events, phases, unused

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rich.console import Console, JustifyMethod

    from ..bench.blame import Change, Line
    from ..bench.report import Imported, Imports

__all__ = ["print_diff", "print_imports"]

_TREE_ROWS = 24
_ROWS = 12
# Columns of the longest bar, in terminals below and from 100 columns.
_BARS = 12, 28
# More than any line needs.
_WIDEST = 10_000
# What lines above nothing of which is told cost together is not worth a line.
_SMALL_US = 500


def print_imports(console: Console, imports: Imports, events: Sequence[str] = ()) -> None:
    """Print all that is known of one run; ``events`` are names for "event 0" and so on."""
    names = {f"event {number}": f"event {number}: {name}" for number, name in enumerate(events)}
    _print_summary(console, imports)
    _print_tree(console, imports, names)
    _print_packages(console, imports)
    _print_lines(console, imports)
    _print_events(console, imports, names)
    _print_unused(console, imports)


def print_diff(
    console: Console, changes: Sequence[Change], base: str = "base", new: str = "new"
) -> None:
    """Print what two runs import otherwise, by package."""
    before = sum(change.base_us or 0 for change in changes)
    after = sum(change.new_us or 0 for change in changes)
    added = sum(len(change.added) for change in changes)
    removed = sum(len(change.removed) for change in changes)
    console.print(
        Text.assemble(
            (f"Imports take {_ms(after)} ms instead of {_ms(before)} ms", "bold"),
            f" ({_signed(after - before)} ms, {(after - before) / max(before, 1):+.0%}); ",
            f"modules: {added} added, {removed} removed.",
        ),
        soft_wrap=False,
    )
    small = max(_SMALL_US, before // 100)
    shown = [c for c in changes if abs(c.effect_us) >= small or c.added or c.removed][:20]
    if not shown:
        console.print(f"No package differs by {_ms(small)} ms or in its modules.")
        return
    table = _table("package", f">{base} ms", f">{new} ms", ">change", "=modules", "=")
    most = max(abs(change.effect_us) for change in shown)
    for change in shown:
        slower = change.effect_us > 0
        style = "red" if slower else "green"
        if change.base_us is None:
            modules = "new"
        elif change.new_us is None:
            modules = "gone"
        else:
            counts = (("+", change.added), ("-", change.removed))
            modules = " ".join(f"{sign}{len(names)}" for sign, names in counts if names)
        table.add_row(
            Text(change.package),
            "" if change.base_us is None else _ms(change.base_us),
            "" if change.new_us is None else _ms(change.new_us),
            Text(_signed(change.effect_us), style),
            modules,
            _bar(console, 0, abs(change.effect_us), most, ("", style)),
        )
    _show(console, table)
    rest = len(changes) - len(shown)
    if rest:
        _note(console, f"{rest} more packages change less, or not at all.")
    _note(
        console,
        "If all packages change by one factor, the machine was busier in one run.",
    )


def _print_summary(console: Console, imports: Imports) -> None:
    totals = phases(imports)
    eager = [total for phase, total in totals.items() if not phase.startswith("event")]
    late = [total for phase, total in totals.items() if phase.startswith("event")]
    number, took_us = sum(n for n, _ in eager), sum(us for _, us in eager)
    line = Text.assemble(
        (f"{number} modules in {_ms(took_us)} ms", "bold"), " before the first event"
    )
    if late:
        number, took_us = sum(n for n, _ in late), sum(us for _, us in late)
        line.append(", ")
        line.append(f"{number} more in {_ms(took_us)} ms", "bold")
        line.append(" while events were answered")
    console.print(line.append("."), soft_wrap=False)


def _print_tree(console: Console, imports: Imports, names: dict[str, str]) -> None:
    """Print the imports that take longest, each below the one that waited for it."""
    modules = imports["modules"]
    # None takes longer than its parent, so that parents are among them as well.
    order = sorted(range(len(modules)), key=lambda n: (-modules[n]["cumulative_us"], n))
    shown = sorted(order[:_TREE_ROWS])
    children: dict[object, list[int]] = {}
    for number in shown:
        module = modules[number]
        above = module["phase"] if module["parent"] < 0 else module["parent"]
        children.setdefault(above, []).append(number)
    totals = phases(imports)
    idle_names = set(idle(imports))
    most = max((took_us for _, took_us in totals.values()), default=0)
    table = _table("import", ">in all ms", ">itself ms", "=")
    # In front of a name and of the last one, and what goes on below them.
    guides = ["├ ", "└ ", "│ ", "  "] if _is_wide(console) else ["|- ", "`- ", "|  ", "   "]
    is_idle = {n for n in shown if _is_idle(modules[n], idle_names)}

    def add(number: int, lead: str, is_last: bool) -> None:
        module = modules[number]
        cumulative_us, self_us = module["cumulative_us"], module["self_us"]
        style = "yellow" if number in is_idle else ""
        name = Text.assemble((lead + guides[is_last], "dim"), (module["name"], style))
        bars = _bar(console, self_us, cumulative_us - self_us, most, ("blue", "cyan"))
        table.add_row(name, _ms(cumulative_us), _ms(self_us), bars)
        below = children.get(number, [])
        for child in below:
            add(child, lead + guides[2 + is_last], child == below[-1])

    for phase, (_, took_us) in totals.items():
        bars = _bar(console, 0, took_us, most, ("blue", "cyan"))
        table.add_row(Text(names.get(phase, phase), "bold"), _ms(took_us), "", bars)
        below = children.get(phase, [])
        for child in below:
            add(child, "", child == below[-1])
    _show(console, table, "Who waited for what")
    if rest := order[_TREE_ROWS:]:
        longest_us = modules[rest[0]]["cumulative_us"]
        _note(console, f"{len(rest)} more take at most {_ms(longest_us)} ms each.")
    if is_idle:
        _note(console, "In yellow: nothing of it, nor below its name, ran during the events.")


def _print_packages(console: Console, imports: Imports) -> None:
    blames = first_level(imports)
    table = _table("package", ">itself ms", ">modules", ">ran", "=")
    for blame in blames[:_ROWS]:
        ran = f"{blame.ran} of {blame.runnable}" if blame.runnable else ""
        style = "" if blame.ran or not blame.runnable else "yellow"
        table.add_row(
            Text(blame.package, "bold" if blame.own else style),
            _ms(blame.self_us),
            str(blame.modules),
            Text(ran, style),
            _bar(console, blame.self_us, 0, blames[0].self_us, ("blue", "")),
        )
    _show(console, table, "Packages that take longest")
    if rest := blames[_ROWS:]:
        took_us = sum(blame.self_us for blame in rest)
        _note(console, f"{len(rest)} more packages take {_ms(took_us)} ms together.")
    _note(console, "ran: modules of which a function ran, of those that hold functions.")


def _print_lines(console: Console, imports: Imports) -> None:
    lines = [line for line in direct(imports) if line.cumulative_us >= _SMALL_US]
    if not lines:
        return
    table = _table("line", "import", ">ms", "=when")
    for line in lines[:_ROWS]:
        names = Text(_listed(line.names, 2))
        table.add_row(Text(line.place), names, _ms(line.cumulative_us), line.phase)
    _show(console, table, "Lines of the application that waited longest")


def _print_events(console: Console, imports: Imports, names: dict[str, str]) -> None:
    lines = in_events(imports)
    if not lines:
        return
    table = _table("line", "import", ">ms")
    for phase in dict.fromkeys(line.phase for line in lines):
        below = [line for line in lines if line.phase == phase]
        total_us = sum(line.cumulative_us for line in below)
        table.add_row(Text(names.get(phase, phase), "bold"), "", Text(_ms(total_us), "bold"))
        large = [line for line in below if line.cumulative_us >= _SMALL_US][:_ROWS]
        for line in large:
            place = Text(f"  {line.place or 'unknown'}", "red" if line.own else "")
            table.add_row(place, Text(_listed(line.names, 2)), _ms(line.cumulative_us))
        if rest := below[len(large) :]:
            rest_us = sum(line.cumulative_us for line in rest)
            table.add_row(Text("  the rest", "dim"), "", _ms(rest_us))
    _show(console, table, "Imported while the client waits for an answer")
    for advice in _advice(lines):
        _note(console, advice)


def _advice(lines: list[Line]) -> Iterable[str]:
    """Say what to do about imports that clients wait for."""
    own = [line for line in lines if line.own and line.cumulative_us >= _SMALL_US]
    others = [line for line in lines if not line.own and line.cumulative_us >= _SMALL_US]
    if own:
        line = max(own, key=lambda line: line.cumulative_us)
        yield (
            f"{line.names[0]} is imported in the application's own code, at {line.place}. If most "
            "requests need it, import it at the top of the module: it is then paid before the "
            "first request, and with provisioned instances before any. If few do, give their "
            "routes a function of their own."
        )
    if others:
        line = max(others, key=lambda line: line.cumulative_us)
        yield (
            f"What libraries import late, such as {line.names[0]}, comes earlier with an import "
            "of it at the end of index.py."
        )


def _print_unused(console: Console, imports: Imports) -> None:
    entries = unused(imports)
    shown = [
        entry
        for place, entry in enumerate(entries)
        if entry.saved_us >= _SMALL_US and (place < _ROWS or entry.own)
    ]
    if not shown:
        return
    table = _table("package or module", ">ms", "brings", "asked for by")
    for entry in shown:
        name = Text.assemble(entry.name, ("*" if entry.called else "", "dim"))
        importers = _listed(entry.importers, 1)
        table.add_row(
            name,
            _ms(entry.saved_us),
            Text(_listed(entry.brings, 2), "dim"),
            Text(importers, "red" if entry.own else ""),
        )
    _show(console, table, "Nothing of these ran while the events were answered")
    total_us = sum(entry.saved_us for entry in entries)
    star = " * ran only while something was imported." if any(e.called for e in shown) else ""
    _note(
        console,
        f"ms: what would not be imported without it, {_ms(total_us)} in all. Other events may "
        f"need it; lines in red are the application's own to change.{star}",
    )


def _table(*columns: str) -> Table:
    """Make a table without lines.

    Columns whose names begin with ``>`` hold numbers and those with ``=`` keep their width; the
    others are cut where the terminal is too narrow.
    """
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    for column in columns:
        justify: JustifyMethod = "right" if column.startswith(">") else "left"
        table.add_column(
            Text(column.lstrip(">=")),
            justify=justify,
            no_wrap=True,
            overflow="ellipsis",
            # What is cut has a share of the width that is left; 0 stands for none.
            ratio=0 if column[0] in ">=" else 1,
        )
    return table


def _show(console: Console, table: Table, title: str = "") -> None:
    if title:
        console.print()
        console.print(Text(title, "bold"))
    whole = console.measure(table, options=console.options.update_width(_WIDEST)).maximum
    for column in table.columns:
        widths = [console.measure(cell).maximum for cell in column.cells]
        if whole <= console.width:
            column.ratio = None
        elif column.ratio:
            column.ratio = max(widths)
        else:
            column.ratio = None
            column.width = max(*widths, len(str(column.header)))
    table.expand = whole > console.width
    console.print(table)


def _note(console: Console, text: str) -> None:
    console.print(Text(text, "dim"), soft_wrap=False)


def _is_idle(module: Imported, names: set[str]) -> bool:
    """Tell whether a module or a package around it is among these names."""
    parts = module["name"].split(".")
    return any(".".join(parts[: end + 1]) in names for end in range(len(parts)))


def _listed(names: Sequence[str], most: int) -> str:
    """Join names, with a number for those beyond the first."""
    more = len(names) - most
    return ", ".join(names[:most]) + (f" +{more}" if more > 0 else "")


def _ms(took_us: float) -> str:
    """Write µs as ms with the digits that matter."""
    return f"{took_us / 1000:.1f}" if abs(took_us) < 99_950 else f"{took_us / 1000:.0f}"


def _signed(effect_us: int) -> str:
    return ("-" if effect_us < 0 else "+") + _ms(abs(effect_us))


def _is_wide(console: Console) -> bool:
    """Tell whether the terminal knows more than ASCII."""
    return console.encoding.lower().startswith("utf")


def _bar(console: Console, first: int, second: int, most: int, styles: tuple[str, str]) -> Text:
    """Draw two times one behind the other; ``most`` would fill the column."""
    mark = "█" if _is_wide(console) else "#"
    columns = _BARS[console.width >= 100]
    whole = round((first + second) / max(most, 1) * columns)
    dark = min(round(first / max(most, 1) * columns), whole)
    return Text.assemble((mark * dark, styles[0]), (mark * (whole - dark), styles[1]))
