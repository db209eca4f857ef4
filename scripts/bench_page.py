"""What the benches share: the machine, running a program and measuring it, and the page of what was found."""

import datetime
import json
import os
import re
import resource
import signal
import subprocess
import sys
import time
import traceback
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
KIB, GIB = 1 << 10, 1 << 30

# Ended from outside, a bench takes away what it made, as after a failure.
for name in (signal.SIGTERM, signal.SIGHUP):
    signal.signal(name, lambda number, _: sys.exit(128 + number))


def machine():
    info = Path("/proc/cpuinfo").read_text()
    model = re.search(r"model name\s*: (.*)", info)
    flags = set(re.search(r"flags\s*: (.*)", info).group(1).split()) if "flags" in info else set()
    governed = [flag for flag in ("aes", "vaes", "avx2", "avx512f", "avx512vl") if flag in flags]
    return {
        "cpu": model.group(1) if model else os.uname().machine,
        "cores": os.cpu_count(),
        "flags": governed,
        "vaes": "vaes" in flags,
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / GIB, 1),
        "kernel": f"{os.uname().sysname} {os.uname().release}",
        # What a program that is started here seems to need at least: the memory of its starter counts as its own.
        "memory_floor": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * KIB,
        "load_before": [round(load, 2) for load in os.getloadavg()],
        "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
    }


def first_line(*argv):
    """What a program says of itself first, as its version."""
    run = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")
    return next((line.strip() for line in run.stdout.splitlines() if line.strip()), "?")


def version(binary):
    """The program's version, and the commit of the sources that lie here."""
    commit = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=ROOT, stdout=subprocess.PIPE,
                            stderr=subprocess.DEVNULL, text=True).stdout.strip()
    mine = first_line(str(binary), "--version")
    return f"{mine}, commit {commit}" if commit else mine


def shell(line):
    """A line of bash that knows scripts/lib.sh."""
    subprocess.run(["bash", "-euo", "pipefail", "-c", f". scripts/lib.sh; {line}"], cwd=ROOT, check=True)


def measure(argv, fine=(0,), **more):
    """Runs a program quietly to its end, which must have one of these exit codes: seconds, seconds of processor time,
    peak memory in MiB."""
    begin = time.monotonic()
    process = subprocess.Popen([str(word) for word in argv], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, **more)
    _, status, used = os.wait4(process.pid, 0)
    seconds, code = time.monotonic() - begin, os.waitstatus_to_exitcode(status)
    process.returncode = code
    if code not in fine:
        sys.exit(f"error: exit code {code}: {' '.join(map(str, argv))}")
    return seconds, used.ru_utime + used.ru_stime, used.ru_maxrss / KIB


def apart(work, *args):
    """What `work` returns, as JSON has it, done by a process of its own: what this one ever held counts as held by
    each program that it starts."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            os.close(reader)
            with open(writer, "w") as out:
                json.dump(work(*args), out)
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    os.close(writer)
    with open(reader) as told:
        text = told.read()
    if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) != 0:
        sys.exit(f"error: {work.__name__} failed")
    return json.loads(text)


def number(value):
    """As many digits as mean something."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


class Page:
    """What was found, as it is found on standard output, and in the end as a page of docs/benchmarks."""

    def __init__(self, title, script, intro):
        self.title, self.script, self.intro = title, script, intro
        self.machine, self.sections, self.targets, self.began = machine(), {}, [], time.monotonic()

    def row(self, section, what, value, unit, cpu=None, mib=None, note="", wanted=(), most_mib=None):
        """A figure. `wanted`: (">=" or "<=", limit), judged; `most_mib`: the memory that it may take, likewise."""
        found = f"{number(value)} {unit}"
        cells = [what, found, "" if cpu is None else f"{number(cpu)} s", "" if mib is None else f"{mib:.0f} MiB", note]
        self.sections.setdefault(section, []).append(cells)
        told = [cell for cell in (found, cells[2] and f"CPU {cells[2]}", cells[3], note) if cell]
        print(f"{section:<18} {what:<44} {', '.join(told)}", flush=True)
        if wanted:
            sign, limit = wanted
            met = value >= limit if sign == ">=" else value <= limit
            self.targets.append([f"{section}: {what}", f"{sign} {limit:,} {unit}", found, met])
        if most_mib is not None and mib is not None:
            self.targets.append([f"{section}: {what}, memory", f"<= {most_mib:,} MiB", cells[3], mib <= most_mib])

    def write(self, path, versions, commands):
        m, met = self.machine, sum(target[3] for target in self.targets)
        minutes = round((time.monotonic() - self.began) / 60, 1)
        lines = [
            f"# {self.title}", "", f"Made by `{self.script}`. Run it to repeat this. {self.intro}", "",
            f"{m['date']}, {minutes} minutes. {met} of {len(self.targets)} targets met.", "",
            "| | |", "|---|---|",
            f"| Processor | {m['cpu']}, {m['cores']} cores, {', '.join(m['flags'])} |",
            f"| Memory, kernel | {m['memory_gib']} GiB, {m['kernel']} |",
            f"| Load before, after | {', '.join(map(str, m['load_before']))}; "
            f"{', '.join(str(round(load, 2)) for load in os.getloadavg())} |",
        ]
        lines += [f"| {name} | {value} |" for name, value in versions.items()]
        lines += ["", "## Targets", "", "| Target | Wanted | Found | |", "|---|---|---:|---|"]
        lines += [f"| {what} | {wanted} | {found} | {'met' if met else '**not met**'} |"
                  for what, wanted, found, met in self.targets]
        for section, rows in self.sections.items():
            lines += ["", f"## {section}", "", "| | Found | CPU | Peak memory | |", "|---|---:|---:|---:|---|"]
            lines += ["| " + " | ".join(cells) + " |" for cells in rows]
        lines += ["", "## How it was done", ""] + [f"- {command}" for command in commands]
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join(lines) + "\n")
        print(f"written: {path}")
