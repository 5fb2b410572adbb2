"""Write what metrics/ and plots/ hold as one HTML page that needs no network and runs no script.

reads   metrics/, plots/, the last commit's metrics/
writes  reports/report.html

What is missing is left out, with a line that says which command makes it. A second.
"""

from pathlib import Path

from toolgen import console, records
from toolgen.report import change, confusion, coverage, evaluation, files, losses, page, timing, worst

REPORT = Path("reports/report.html")


def main() -> None:
    if not any(files.metrics(stage) for stage in files.STAGES):
        raise console.Mistake("metrics/ holds nothing to report: run `make all` first, or `make data` for a part of it")
    scores = files.metrics("evaluate")
    sections = [
        evaluation.headline(scores, files.metrics("timing/evaluate")),
        change.section(),
        evaluation.by_slice(scores),
        *([evaluation.trajectories(scores)] if scores and "trajectories" in scores else []),
        evaluation.by_kind(scores),
        evaluation.by_property(scores),
        evaluation.clean_and_noisy(scores),
        evaluation.peers(scores),
        worst.section(),
        confusion.section(),
        losses.section(),
        coverage.section(),
        timing.section(),
    ]
    commit = change.git("rev-parse", "--short", "HEAD")
    subtitle = f"Figures of the working directory, beside commit {commit}." if commit else "Figures of this directory."
    with records.written_whole(REPORT) as file:
        file.write(page.render("CarTool ToolGen: report", subtitle, sections))
    print(f"report: {len(sections)} sections -> {REPORT.resolve().as_uri()}")


if __name__ == "__main__":
    console.run(main, __doc__, (records.BadRecord,))
