"""An app of widgets: choose pictures, press a button, read the answers. For Jupyter, and as a page of its own by Voilà."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from importlib import import_module
from pathlib import Path
from typing import Any

from ..core.errors import DrivetrainError, UsageError
from ..core.installation import install_command
from ..core.types import Prediction
from ..model.predictor import Predictor, load
from .answer import answer_html, hint_html, task_words
from .picture import picture_html

# The most pictures answered at one press.
MOST = 64


@dataclass(frozen=True)
class Upload:
    """One chosen file."""

    name: str
    data: bytes


def classify_app(bundle: str | Path | Predictor) -> Any:
    """The app for a bundle, as a widget to end a cell with; where the bundle cannot be used, a widget that says why.

    Raises:
        UsageError: ipywidgets is not installed.
    """
    try:
        widgets = import_module("ipywidgets")
    except ModuleNotFoundError:
        raise UsageError(f"ipywidgets is not installed; {install_command('notebook')}") from None
    try:
        predictor = bundle if isinstance(bundle, Predictor) else load(bundle)
    except DrivetrainError as error:
        # The error is shown in a widget, as Voilà hides an exception's words from the visitor of its page.
        return widgets.HTML(hint_html(f"This app cannot start: {error}"))
    return ClassifyApp(predictor, widgets).view


class ClassifyApp:
    """The app's widgets and their actions on each other."""

    def __init__(self, predictor: Predictor, widgets: Any) -> None:
        """Make the app from ``widgets``, the module ``ipywidgets``."""
        self._predictor = predictor
        self._html = widgets.HTML
        wide = widgets.Layout(width="auto")
        self.upload = widgets.FileUpload(
            accept="image/*,.heic,.heif,.hif,.tif,.tiff",
            multiple=True,
            description="Choose pictures",
            layout=wide,
            tooltip="One or several files",
        )
        self.button = widgets.Button(
            description="Classify",
            button_style="primary",
            icon="search",
            layout=wide,
            tooltip="Answer for the chosen pictures",
        )
        self.status = self._html(hint_html("Choose one or several pictures, then press Classify."))
        self.results = widgets.VBox([], layout=widgets.Layout(width="100%"))
        self.view = widgets.VBox(
            [
                self._html(task_words(predictor.manifest)),
                widgets.HBox([self.upload, self.button], layout=widgets.Layout(flex_flow="row wrap")),
                self.status,
                self.results,
            ],
            layout=widgets.Layout(max_width="60em", margin="0 auto", padding="1em"),
        )
        self.upload.observe(self._chosen, "value")
        self.button.on_click(self._pressed)

    def _chosen(self, change: Any) -> None:
        self.results.children = ()
        count = len(change["new"])
        self._say(f"{_pictures(count)} chosen. Press Classify." if count else "No picture is chosen.")

    def _pressed(self, _button: Any) -> None:
        self.button.disabled = True
        try:
            self.classify(tuple(Upload(str(file["name"]), bytes(file["content"])) for file in self.upload.value))
        except Exception as error:
            # Errors are shown here, as those that a callback raises end up in a log that no user of the page sees.
            self._say(f"That did not work ({type(error).__name__}: {error}). Choose the pictures again.")
            raise
        finally:
            self.button.disabled = False

    def classify(self, uploads: tuple[Upload, ...]) -> None:
        """Answer these files one after the other, each shown as it is ready."""
        self.results.children = ()
        if not uploads:
            self._say("There is no picture yet: press “Choose pictures” first.")
            return
        if len(uploads) > MOST:
            self._say(f"{len(uploads)} pictures are chosen; choose at most {MOST} at a time.")
            return
        unreadable = 0
        for number, upload in enumerate(uploads, 1):
            self._say(f"Picture {number} of {len(uploads)} …")
            prediction = self._predictor.predict(upload.data)
            unreadable += prediction.error is not None
            self.results.children = (*self.results.children, self._html(self._card(upload, prediction)))
        cannot = f", {unreadable} cannot be read" if unreadable else ""
        self._say(f"{_pictures(len(uploads) - unreadable)} answered{cannot}.")

    def _card(self, upload: Upload, prediction: Prediction) -> str:
        answer = answer_html(prediction, self._predictor.manifest)
        picture = picture_html(self._predictor, upload.name, upload.data)
        return (
            '<div style="display:flex;flex-wrap:wrap;gap:1.2em;padding:1em 0;border-top:1px solid #8884">'
            f'<div style="flex:1 1 12em;max-width:15em;min-width:0;line-height:1.4">{picture}'
            f'<div style="overflow-wrap:anywhere;opacity:.75">{escape(upload.name)}</div></div>'
            f'<div style="flex:4 1 18em;min-width:0;line-height:1.5">{answer}</div></div>'
        )

    def _say(self, text: str) -> None:
        self.status.value = hint_html(text)


def _pictures(count: int) -> str:
    return "1 picture" if count == 1 else f"{count} pictures"
