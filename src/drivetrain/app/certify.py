"""Certify a bundle on fresh labelled images, and write the bundle that carries the certificate."""

from __future__ import annotations

import os
import time
from contextlib import closing
from pathlib import Path

from ..certification.asked import Asked
from ..certification.bundle import check_out, files_of
from ..certification.certified import Certified
from ..certification.reading import Reading, Source
from ..certification.run import certify as certify_answers
from ..certification.run import check_certifiable
from ..core.ports import Progress, Silent
from ..model import storage
from ..model.predictor import Predictor, load
from ..report.certification import with_certificate
from ..store.place import is_store
from ..store.sql_store import open_store
from ..training.dating import created_at


def certify(
    bundle: str | Path | Predictor,
    source: Source,
    asked: Asked,
    *,
    out: Path | None = None,
    reading: Reading | None = None,
    progress: Progress | None = None,
) -> Certified:
    """Certify a bundle (its path, or as loaded) on labelled images that it has not seen, and write the new one to ``out``.

    ``source`` may also be the store of a server, a SQLite file or a postgresql:// URL: then the inputs that it keeps are judged
    by the right answers that people told of them without seeing the model's.

    Copies of training images are left out, and said. Where the error cannot be certified, the new bundle accepts nothing.

    Raises:
        UsageError: answers have no confidence, a choice does not fit the data, or ``out`` cannot be written.
        BundleError, SourceError, DataError: as `evaluate` raises them; or a store has no right answer to certify with.
        StoreError: the store cannot be read.
    """
    predictor = bundle if isinstance(bundle, Predictor) else load(bundle)
    check_certifiable(predictor.manifest, asked)
    if out is not None:
        check_out(out, predictor)
    reading, progress = reading or Reading(), progress or Silent()
    if not isinstance(source, str | Path) or not is_store(str(source)):
        return _certified(predictor, source, asked, out, reading, progress)
    with closing(open_store(source, create=False)) as store:
        return _certified(predictor, reading.told(store, predictor.manifest), asked, out, reading, progress)


def _certified(
    predictor: Predictor, source: Source, asked: Asked, out: Path | None, reading: Reading, progress: Progress
) -> Certified:
    made_at = created_at(os.environ, time.time())
    answered = reading.answered(predictor, source, progress)
    certified, changed = certify_answers(predictor, answered, asked, source, made_at)
    if out is not None:
        files = files_of(changed)
        page = with_certificate(files.get(storage.REPORT, b"").decode("utf-8", "replace"), certified)
        storage.write_files({**files, storage.REPORT: page.encode()}, out)
    return certified
