"""What a submission may use while it is graded: seconds, memory, bytes written.

A course's nbgrader_config.py puts `LimitedExecute` in the place of nbgrader's own executor. A cell that takes too long is
interrupted and fails; the rest is graded. A submission that goes on for too long, fills the disk or the memory, or kills
its kernel, is stopped: every cell that was not reached fails with a sentence that says why, and the class goes on.

This guards the grading machine against accidents. It is no prison: students' code runs with the teacher's rights, so
grade on a machine, or in a container, that holds nothing else.
"""

import os
import shutil
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

POLL = 0.2  # seconds


class LimitedExecute(Execute):
    """nbgrader's executor with limits. Settings: ``c.LimitedExecute.timeout = 30`` and so on."""

    timeout = Integer(30, help="Seconds that one cell may take.").tag(config=True)
    total_seconds = Integer(240, help="Seconds that a whole submission may take.").tag(config=True)
    memory_gb = Float(2.0, help="Memory of the kernel and its children; importing torch takes 1.").tag(config=True)
    written_mb = Integer(100, help="What a submission may write, printing included.").tag(config=True)

    def preprocess(self, nb, resources=None, km=None):
        self.stopped, self.warden = "", None
        folder = Path((resources or {}).get("metadata", {}).get("path") or ".")
        before = set(folder.rglob("*"))
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
        self.warden = Warden(self.km.provisioner.pid, self.total_seconds, self.memory_gb, self.written_mb)
        self.warden.start()

    def _set_limits(self) -> None:
        """In the kernel's process, before Python: what the system itself refuses, as MemoryError or OSError."""
        import resource

        for what, most in (
            (resource.RLIMIT_DATA, int(self.memory_gb * 2**30)),
            (resource.RLIMIT_FSIZE, self.written_mb * 10**6),
            (resource.RLIMIT_CPU, self.total_seconds),
            (resource.RLIMIT_CORE, 0),
        ):
            hard = resource.getrlimit(what)[1]
            most = most if hard == resource.RLIM_INFINITY else min(most, hard)
            resource.setrlimit(what, (most, most))

    def preprocess_cell(self, cell, resources, index):
        if not self.stopped:
            try:
                return super().preprocess_cell(cell, resources, index)
            except (CellTimeoutError, DeadKernelError, UnresponsiveKernelError, RuntimeError) as error:
                reason = self.warden.reason or self._cause(error)
                self.stopped = f"{reason} The grading of this submission stopped here."
                self.log.error("Submission stopped: %s", reason)
                self.km.provisioner.process.kill() if self.km.has_kernel else None
                self._fail(cell, self.stopped)
        elif cell.cell_type == "code":
            cell.outputs = []
            self._fail(cell, f"Not run: {self.stopped}")
        return cell, resources

    def _cause(self, error: Exception) -> str:
        if isinstance(error, DeadKernelError):
            return "The Python process ended (it crashed, or it ran into a limit of time or memory)."
        return f"A cell took more than {self.timeout} seconds and could not be interrupted."

    def _fail(self, cell, sentence: str) -> None:
        if cell.cell_type == "code":
            told = f"\x1b[0;31mSubmissionStopped\x1b[0m: {sentence}"
            cell.outputs.append(new_output("error", ename="SubmissionStopped", evalue=sentence, traceback=[told]))

    def on_cell_executed(self, **kwargs):
        super().on_cell_executed(**kwargs)
        cell = kwargs["cell"]
        for output in cell.outputs:
            # nbgrader takes every word on stderr, a warning of numpy's for one, for a failed test.
            if output.output_type == "stream":
                output.name = "stdout"
            if output.output_type == "error" and output.ename == "CellTimeoutError":
                output.evalue = f"This cell took more than {self.timeout} seconds and was interrupted."
                output.traceback = [f"\x1b[0;31mCellTimeoutError\x1b[0m: {output.evalue}"]
                self.log.error("A cell was interrupted after %i seconds", self.timeout)
            # A traceback would show the lines around the failed one: the hidden tests.
            elif output.output_type == "error" and cell.metadata.get("nbgrader", {}).get("grade"):
                output.traceback = [f"\x1b[0;31m{output.ename}\x1b[0m: {output.evalue}"]


class Warden(threading.Thread):
    """Watches a kernel and its children, and kills them all when they go beyond a limit; ``reason`` says which."""

    def __init__(self, pid: int, seconds: float, memory_gb: float, written_mb: float):
        super().__init__(daemon=True)
        self.kernel, self.reason, self.gone = psutil.Process(pid), "", threading.Event()
        self.seconds, self.memory_gb, self.written_mb = seconds, memory_gb, written_mb
        self.written: dict[int, int] = {}  # bytes by process, kept when a child has ended

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
                    try:
                        process.kill()
                    except psutil.Error:
                        pass
                return

    def _excess(self, family: list[psutil.Process], seconds: float) -> str:
        memory = 0
        for process in family:
            try:
                memory += process.memory_info().rss
                if hasattr(process, "io_counters"):  # not on macOS
                    self.written[process.pid] = process.io_counters().write_chars
            except (psutil.Error, AttributeError):
                continue
        if seconds > self.seconds:
            return f"It took more than {self.seconds:.0f} seconds in all."
        if memory > self.memory_gb * 2**30:
            return f"It used more than {self.memory_gb:g} GB of memory."
        if sum(self.written.values()) > self.written_mb * 10**6:
            return f"It wrote more than {self.written_mb:.0f} MB."
        return ""

    def leave(self) -> None:
        self.gone.set()
        self.join()
