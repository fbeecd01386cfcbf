"""What a submission may use while it is graded: processor time, memory, bytes written.

A course's nbgrader_config.py puts `LimitedExecute` in the place of nbgrader's own executor. A cell that takes too long
is interrupted and fails; the rest is graded. A submission that goes on for too long, fills the disk or the memory, or
kills its kernel, is stopped: every cell that was not reached fails with a sentence that says why, and the others of the
class are graded.

Time is that of the processor, so that a busy machine is nobody's fault; the clock has a limit of its own, for those
who sleep. This guards the grading machine against accidents. It is no prison: students' code runs with the teacher's
rights, so grade on a machine, or in a container, that holds nothing else.
"""

import contextlib
import os
import shutil
import signal
import tempfile
import threading
import time
from pathlib import Path

import psutil
from nbclient.exceptions import CellTimeoutError, DeadKernelError
from nbformat.v4 import new_output
from nbgrader.preprocessors import Execute
from nbgrader.preprocessors.execute import UnresponsiveKernelError
from traitlets import Float, Integer

from pqa_lab.classroom.guard import GUARDED

POLL = 0.2  # seconds between two looks
PATIENCE = 3  # processor seconds from the interruption of a cell to its end


class LimitedExecute(Execute):
    """nbgrader's executor with limits. Settings: ``c.LimitedExecute.cell_seconds = 30`` and so on."""

    cell_seconds = Integer(30, help="Processor seconds of one cell.").tag(config=True)
    total_seconds = Integer(240, help="Processor seconds of a whole submission.").tag(config=True)
    timeout = Integer(120, help="Seconds on the clock of one cell.").tag(config=True)
    total_timeout = Integer(900, help="Seconds on the clock of a whole submission.").tag(config=True)
    memory_gb = Float(2.0, help="Memory of the kernel and its children; importing torch takes 1.").tag(config=True)
    written_mb = Integer(100, help="What a submission may write, printing included.").tag(config=True)

    def preprocess(self, nb, resources=None, km=None):
        self.stopped, self.warden = "", None
        folder = Path((resources or {}).get("metadata", {}).get("path") or ".")
        before = set(folder.rglob("*"))
        self.text = "\n".join(cell.source for cell in nb.cells if cell.cell_type == "code")
        self.scratch = tempfile.mkdtemp(prefix="pqa-grading-")
        try:
            return super().preprocess(nb, resources, km)
        finally:
            if self.warden:
                self.warden.leave()
            shutil.rmtree(self.scratch, ignore_errors=True)
            for path in sorted(set(folder.rglob("*")) - before, reverse=True):  # children before their folders
                path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink(missing_ok=True)

    def start_new_kernel(self, **kwargs):
        env = os.environ | {"TMPDIR": self.scratch, "OMP_NUM_THREADS": "1", "MPLBACKEND": "Agg"}
        if os.name == "posix":
            kwargs["preexec_fn"] = self._set_limits
        super().start_new_kernel(env=env, **kwargs)
        self.warden = Warden(self.km.provisioner.pid, self)
        self.warden.start()

    def start_new_kernel_client(self, **kwargs):
        client = super().start_new_kernel_client(**kwargs)
        used = [name for name in GUARDED if name.split(".")[0] in self.text]
        self._aside(f"import pqa_lab.classroom.guard as g; g.keep({used}); del g")
        return client

    def _aside(self, code: str) -> None:
        """Run code that is no cell of the submission."""
        self.wait_for_reply(self.kc.execute(code, silent=True, store_history=False))

    def _set_limits(self) -> None:
        """In the kernel's process, before Python: what the system itself refuses, as MemoryError or OSError."""
        import resource

        for what, most in (
            (resource.RLIMIT_DATA, int(self.memory_gb * 2**30)),
            (resource.RLIMIT_FSIZE, self.written_mb * 10**6 // 2),  # of one file, so that the cell fails first
            (resource.RLIMIT_CPU, self.total_seconds + 10),
            (resource.RLIMIT_CORE, 0),
        ):
            hard = resource.getrlimit(what)[1]
            most = most if hard == resource.RLIM_INFINITY else min(most, hard)
            resource.setrlimit(what, (most, most))

    def preprocess_cell(self, cell, resources, index):
        if not self.stopped:
            try:
                if cell.metadata.get("nbgrader", {}).get("grade") and cell.cell_type == "code":
                    self._aside("__import__('pqa_lab.classroom.guard', fromlist=['x']).restore(globals())")
                return super().preprocess_cell(cell, resources, index)
            except (CellTimeoutError, DeadKernelError, UnresponsiveKernelError) as error:
                reason = self.warden.reason or (
                    "The Python process ended (it crashed, or it ran into a limit of time or memory)."
                    if isinstance(error, DeadKernelError)
                    else f"A cell took more than {self.timeout} seconds and could not be interrupted."
                )
                self.stopped = f"{reason} The grading of this submission stopped here."
                self.log.error("Submission stopped: %s", reason)
                self.km.provisioner.process.kill() if self.km.has_kernel else None
                self._fail(cell, self.stopped)
        elif cell.cell_type == "code":
            cell.outputs = []
            self._fail(cell, f"Not run: {self.stopped}")
        return cell, resources

    def _fail(self, cell, sentence: str) -> None:
        if cell.cell_type == "code":
            told = f"\x1b[0;31mSubmissionStopped\x1b[0m: {sentence}"
            cell.outputs.append(new_output("error", ename="SubmissionStopped", evalue=sentence, traceback=[told]))

    def on_cell_execute(self, **kwargs):
        self.warden.next_cell()

    def on_cell_executed(self, **kwargs):
        super().on_cell_executed(**kwargs)
        cell = kwargs["cell"]
        if self.warden.interrupted:  # also where the submission caught the interruption and went on
            slow = f"This cell took more than {self.cell_seconds} seconds and was interrupted."
            cell.outputs = [output for output in cell.outputs if output.output_type != "error"]
            cell.outputs.append(new_output("error", ename="CellTimeoutError", evalue=slow, traceback=[]))
            self.log.error("A cell was interrupted after %i seconds of the processor", self.cell_seconds)
        for output in cell.outputs:
            # nbgrader takes every word on stderr, a warning of numpy's for one, for a failed test.
            if output.output_type == "stream":
                output.name = "stdout"
            if output.output_type == "error" and output.ename == "CellTimeoutError":
                output.evalue = output.evalue or f"This cell took more than {self.timeout} seconds on the clock."
                output.traceback = [f"\x1b[0;31mCellTimeoutError\x1b[0m: {output.evalue}"]
            # A traceback would show the lines around the failed one: the hidden tests.
            elif output.output_type == "error" and cell.metadata.get("nbgrader", {}).get("grade"):
                output.traceback = [f"\x1b[0;31m{output.ename}\x1b[0m: {output.evalue}"]


class Warden(threading.Thread):
    """Watches a kernel and its children: interrupts a cell that computes too long, kills all beyond a limit.

    ``reason`` says why it killed, ``interrupted`` whether the cell that runs was interrupted.
    """

    def __init__(self, pid: int, limits: LimitedExecute):
        super().__init__(daemon=True)
        self.kernel, self.limits, self.gone = psutil.Process(pid), limits, threading.Event()
        self.reason, self.interrupted = "", False
        self.written: dict[int, int] = {}  # bytes by process, kept when a child has ended
        self.worked: dict[int, float] = {}  # processor seconds by process
        self.cell_start = 0.0

    def next_cell(self) -> None:
        self.cell_start, self.interrupted = sum(self.worked.values()), False

    def run(self) -> None:
        start = time.monotonic()
        while not self.gone.wait(POLL):
            try:
                family = [self.kernel, *self.kernel.children(recursive=True)]
            except psutil.Error:
                return
            self.reason = self._excess(family, time.monotonic() - start)
            if self.reason:
                for process in reversed(family):
                    with contextlib.suppress(psutil.Error):
                        process.kill()
                return

    def _excess(self, family: list[psutil.Process], seconds: float) -> str:
        limits, memory = self.limits, 0
        for process in family:
            with contextlib.suppress(psutil.Error):
                memory += process.memory_info().rss
                times = process.cpu_times()
                self.worked[process.pid] = times.user + times.system
                if hasattr(process, "io_counters"):  # not on macOS
                    self.written[process.pid] = process.io_counters().write_chars
        worked = sum(self.worked.values())
        if worked - self.cell_start > limits.cell_seconds and not self.interrupted:
            self.interrupted = True
            self.kernel.send_signal(signal.SIGINT)
        if worked - self.cell_start > limits.cell_seconds + PATIENCE:
            return f"A cell took more than {limits.cell_seconds} seconds and could not be interrupted."
        if worked > limits.total_seconds or seconds > limits.total_timeout:
            return f"It took more than {limits.total_seconds} seconds in all."
        if memory > limits.memory_gb * 2**30:
            return f"It used more than {limits.memory_gb:g} GB of memory."
        if sum(self.written.values()) > limits.written_mb * 10**6:
            return f"It wrote more than {limits.written_mb} MB."
        return ""

    def leave(self) -> None:
        self.gone.set()
        self.join()
