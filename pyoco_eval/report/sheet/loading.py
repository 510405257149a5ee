"""Records and results from files, told apart by what they say they are."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from pyoco_eval.errors import PyocoEvalError, UsageError
from pyoco_eval.parsing import parse_json
from pyoco_eval.records.record import Record
from pyoco_eval.records.record_folder import joined, record_files, results_of
from pyoco_eval.records.results import Results
from pyoco_eval.report.sheet.of_records import sheet_of_records
from pyoco_eval.report.sheet.of_results import sheet_of_results
from pyoco_eval.report.sheet.sheet import Sheet, records_of


def load_sheets(paths: Sequence[Path]) -> list[Sheet]:
    """A sheet for every protocol, in the order met, then one for all plain records.

    Raises:
        UsageError: a file given twice.
        PyocoEvalError: neither results nor a record.
    """
    runs: dict[tuple[str, int, str], list[tuple[str, Path, Results]]] = {}
    records: dict[str, Record] = {}
    for name, path in zip(names_of(paths), paths, strict=True):
        found = load(path)
        if isinstance(found, Record):
            records[name] = found
        else:
            protocol = found.protocol
            key = (protocol.name, protocol.version, protocol.sha256)
            runs.setdefault(key, []).append((name, path, found))
    sheets = [sheet_of_results(same) for same in runs.values()]
    return [*sheets, sheet_of_records(records)] if records else sheets


def load_records(paths: Sequence[Path]) -> dict[str, tuple[Path, Record]]:
    """Records, and every arm of results as one: name -> (file, record).

    A folder stands for the run it is, or for the records in it; records of one set of videos are
    one, whatever number of files they are in.

    Raises:
        UsageError: a file given twice, or a folder without records.
        PyocoEvalError: neither results nor a record.
    """
    folders = [path for path in paths if path.is_dir() and results_of(path) is None]
    paths = [(results_of(path) or path) if path.is_dir() else path for path in paths]
    records: dict[str, tuple[Path, Record]] = {}
    for name, folder in zip(names_of(folders), folders, strict=True):
        sets = joined((file, _record(file)) for file in record_files(folder))
        for own, found in sets.items():
            records[name if len(sets) == 1 else f"{name}: {own}"] = found
    records |= _of_files([path for path in paths if path not in folders])
    return records


def _record(path: Path) -> Record:
    found = load(path)
    if not isinstance(found, Record):
        raise UsageError(f"{path}: results of a run among records; give it by its own path")
    return found


def _of_files(paths: Sequence[Path]) -> dict[str, tuple[Path, Record]]:
    records: dict[str, tuple[Path, Record]] = {}
    for name, path in zip(names_of(paths), paths, strict=True):
        found = load(path)
        if isinstance(found, Record):
            records[name] = (path, found)
            continue
        arms = records_of(sheet_of_results([(name, path, found)]))
        for arm, record in arms.items():
            whole = name if len(arms) == 1 else arm if len(paths) == 1 else f"{name}: {arm}"
            records[whole] = (path, record)
    pieces = [found for found in records.values() if found[0].parent.name == "records"]
    if len(pieces) == len(records) and len({path.parent for path in paths}) == 1:
        return joined(pieces)
    return records


def load(path: Path) -> Record | Results:
    """What a JSON file holds, told by its `format`.

    Raises:
        PyocoEvalError: it cannot be read, or is something else.
    """
    try:
        content = parse_json(path.read_bytes(), nan=True)
    except (OSError, ValueError) as error:
        raise PyocoEvalError(f"{path}: cannot be read as JSON: {error}") from error
    kind = str(content.get("format", "")) if isinstance(content, Mapping) else ""
    if kind.startswith("pyoco-eval/results/"):
        return Results.load(path)
    if kind.startswith("pyoco-eval/record/"):
        return Record.load(path)
    raise PyocoEvalError(
        f"{path}: not a pyoco-eval record (written with --out), nor results of run-protocol"
    )


def names_of(paths: Sequence[Path]) -> list[str]:
    """File names without suffix; folders' names for files of one name; else whole paths.

    Raises:
        UsageError: a file given twice.
    """
    twice = sorted({str(path) for path in paths if paths.count(path) > 1})
    if twice:
        raise UsageError(f"{', '.join(twice)}: given twice")
    for candidates in ([p.stem for p in paths], [p.resolve().parent.name for p in paths]):
        if len(set(candidates)) == len(candidates):
            return candidates
    return [str(path) for path in paths]
