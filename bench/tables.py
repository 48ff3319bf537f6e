"""What was measured, as tables in Markdown: pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import product

from bench.contenders import Cost
from bench.figures import median, percentile, seconds, table
from bench.parts.cost import Flow, Start
from bench.parts.fleet import STILL, Ran
from bench.parts.refusals import Refused
from bench.parts.sidebyside import OURS, PEERS, Measured
from bench.parts.sizes import Sized
from bench.parts.views import Viewed
from tasks.mail.search.pace import TIGHT_SECONDS

MIB = 2**20


def conditions(machine: str, versions: str, rounds: int) -> str:
    return f"{rounds} rounds, alternating, on {machine}. {versions}."


def detection(found: Iterable[Measured]) -> str:
    """Seconds from landing to hit, and of the whole check; the last column is against our coroutine."""
    rows = []
    for hold, who, group in _groups(found):
        ours = median(one.detection for one in found if one.hold == hold and one.who == OURS[1])
        p50 = median(one.detection for one in group)
        times = f"{p50 / max(ours, 0.001):.0f} x" if who in PEERS else ""
        late = seconds(percentile((one.detection for one in group), 95))
        whole = seconds(median(one.cost.ended - one.cost.begun for one in group))
        rows.append([who, f"{hold:g} s", seconds(p50), late, whole, times])
    return table(["check", "lands after", "detection p50", "p95", "whole check p50", "to ours"], rows)


def wire(found: Iterable[Measured]) -> str:
    rows = []
    for hold, who, group in _groups(found):
        before = _range(sum(at < one.found for at, _ in one.imap.commands) for one in group)
        commands = _range(len(one.imap.commands) for one in group)
        waiting = f"{median(one.waited[0] / one.waited[1] for one in group):.2f}" if hold > TIGHT_SECONDS + 1 else ""
        imap = f"{median(one.imap.up for one in group):.0f} / {median(one.imap.down for one in group):.0f}"
        smtp = f"{median(one.smtp.up for one in group):.0f} / {median(one.smtp.down for one in group):.0f}"
        connections = _range(one.imap.connections + one.smtp.connections for one in group)
        sent = _range(len(one.smtp.commands) for one in group)
        rows.append([who, f"{hold:g} s", connections, before, commands, waiting, imap, sent, smtp])
    head = ["check", "lands after", "connections", "IMAP commands to the hit", "in all", "a second while waiting"]
    return table([*head, "IMAP bytes up / down", "SMTP commands", "SMTP bytes up / down"], rows)


def views(found: Iterable[Viewed]) -> str:
    found = list(found)
    rows = []
    for server in dict.fromkeys(one.server for one in found):
        group = [one for one in found if one.server == server]
        times = [one.detection for one in group]
        commands = sum(one.commands for one in group) / sum(one.waited for one in group)
        rows.append([server, len(group), seconds(median(times)), seconds(max(times)), f"{commands:.2f}"])
    return table(["server", "checks", "detection p50", "max", "IMAP commands a second while waiting"], rows)


def refusals(found: Iterable[Refused]) -> str:
    found = list(found)
    rows = []
    for who in dict.fromkeys(one.who for one in found):
        times = [one.seconds for one in found if one.who == who]
        rows.append([who, len(times), seconds(median(times)), seconds(max(times))])
    return table(["login", "refused", "ends after p50", "max"], rows)


def process(found: Iterable[Measured]) -> str:
    rows = [
        [
            who,
            f"{hold:g} s",
            seconds(median(one.cost.cpu for one in group)),
            f"{max(one.cost.memory for one in group) / MIB:.0f} MiB",
        ]
        for hold, who, group in _groups(found)
    ]
    return table(["check", "lands after", "CPU p50", "peak memory"], rows)


def sizes(found: Iterable[Sized]) -> str:
    found = list(found)
    counts = sorted({one.messages for one in found})
    rows = []
    for at_least, warm in product(sorted({one.examine_seconds for one in found}, reverse=True), (True, False)):
        groups = {
            count: [one for one in found if (one.messages, one.warm, one.examine_seconds) == (count, warm, at_least)]
            for count in counts
        }
        base = median(one.seconds for one in groups[counts[0]])
        for count, group in groups.items():
            mine = median(one.seconds for one in group)
            rows.append(
                [
                    f"at least {at_least:g} s" if at_least else "as it comes",
                    "warm" if warm else "cold",
                    f"{count:,}",
                    f"{mine * 1000:.2f} ms",
                    f"{mine / base:.2f}",
                    f"{median(one.bytes for one in group):.0f}",
                    _range(one.commands for one in group),
                    seconds(median(one.whole for one in group)),
                ]
            )
    head = ["EXAMINE takes", "index", "messages", "EXAMINE's answer to hit p50", "to the smallest", "bytes read"]
    return table([*head, "IMAP commands", "whole check p50"], rows)


def costs(flow: Flow | None, starts: Iterable[Start]) -> str:
    parts = [
        table(["start", "wall p50", "CPU p50"], [[one.name, seconds(one.wall), seconds(one.cpu)] for one in starts])
    ]
    if flow is not None:
        rows = [
            ["check as a flow run", seconds(flow.flow), seconds(flow.flow_cpu)],
            ["the same without Prefect", seconds(flow.direct), seconds(flow.direct_cpu)],
            ["Prefect's own flow of two empty tasks", seconds(flow.trivial), seconds(flow.trivial_cpu)],
            ["what is left: ours", seconds(flow.own), seconds(flow.flow_cpu - flow.direct_cpu - flow.trivial_cpu)],
        ]
        parts.append(table(["warm process", "wall p50", "CPU p50"], rows))
    return "\n\n".join(parts)


def holes(found: Iterable[Ran]) -> str:
    rows = [
        [
            one.what,
            one.loops,
            _counted(one.outcomes),
            seconds(one.whole),
            seconds(one.found),
            seconds(percentile(one.detections, 50)),
            seconds(percentile(one.detections, 95)),
            one.connections,
        ]
        for one in found
    ]
    head = ["many in one process", "loops", "outcomes", "whole", "the last found after", "detection p50", "p95"]
    return table([*head, "IMAP connections"], rows)


def waiting(found: Iterable[Ran]) -> str:
    rows = [
        [
            one.what,
            f"{one.loops} in {one.mailboxes}",
            f"{one.memory / MIB:.0f} MiB",
            f"{(one.cpu or 0.0) * 100:.1f} %",
            f"{(one.waiting or 0) / STILL:.0f}",
            seconds(percentile(one.detections, 50)),
            seconds(percentile(one.detections, 95)),
            seconds(max(one.detections)),
            one.connections,
            one.commands,
            _counted(one.outcomes),
        ]
        for one in found
    ]
    head = ["all wait at once", "loops in mailboxes", "peak memory", "CPU of a core while nothing arrives"]
    head += ["IMAP commands a second meanwhile", "detection p50", "p95", "max", "IMAP connections", "commands in all"]
    return table([*head, "outcomes"], rows)


def _counted(outcomes: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {outcome}" for outcome, count in sorted(outcomes.items()))


def growth(found: list[Cost]) -> str:
    """Ten places on the way; the first checks are the warming up."""
    at = sorted({round(part * (len(found) - 1) / 10) for part in range(11)})
    rows = [
        [index + 1, f"{found[index].resident / MIB:.1f} MiB", found[index].files, found[index].tasks] for index in at
    ]
    return table(["after check", "resident memory", "open files and sockets", "tasks"], rows)


def _groups(found: Iterable[Measured]) -> Iterator[tuple[float, str, list[Measured]]]:
    found = list(found)
    for hold in sorted({one.hold for one in found}):
        for who in (*OURS, *PEERS):
            if group := [one for one in found if (one.hold, one.who) == (hold, who)]:
                yield hold, who, group


def _range(values: Iterable[int]) -> str:
    ordered = sorted(values)
    return f"{ordered[0]}" if ordered[0] == ordered[-1] else f"{ordered[0]} to {ordered[-1]}"
