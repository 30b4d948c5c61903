"""Heat maps: the places in a picture where the model found its evidence, from the bundle's own graph alone.

Two methods, and every map says which it is:

activation: the logits of our graphs are sums over places (see `evidence`), so each is split into the places' shares
    without any approximation: bias + the sum of the map is the logit. Class activation mapping (Zhou et al. 2016)
    carried through the unit length of each block and the mean over mirrored views.
occlusion: for any other graph. A grey square is slid over the resized picture, and a place gets the mean drop of the
    logit over the squares that covered it (Zeiler and Fergus 2014). What two places say together is counted twice, or
    not at all, so the map does not sum to the logit.

A map shows what the score rests on, not that this is a good reason; several hundred runs of the network for occlusion.

Shapes: N batch, K channels, W logits, C classes, h and w places, H and W pixels of the network's input, Y and X of the picture.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from io import BytesIO
from os import PathLike
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from ...core.cores import available_cores
from ...core.errors import ImageError, InputError, SchemaError, UsageError
from ...core.reference import Reference, read_bounded
from ...core.types import FloatArray
from ...data.image.decode import decode
from ...data.image.preprocess import Preprocess, for_images, resize_image, to_tensor
from ...data.image.rgb import rendered
from ...data.preparation import Preparation
from ...embed.session import Session
from ..export import LOGITS
from ..graph_audit import audit_graph
from .evidence import Evidence, NoPlacesError, Term, find_evidence
from .heat_colours import tinted, with_legend
from .placement import Placement
from .places import sample, spread

Floats = NDArray[np.float64]
Method = Literal["activation", "occlusion"]
Picture = str | PathLike[str] | Reference | bytes | Image.Image

# The occluding square: a side of 1/7 of the input (a place of the usual last map), moved by half of that.
SQUARE_SHARE = 7
GREY = 128

# The scale leaves out a map's strongest half a percent, which may be one place.
SCALE_QUANTILE = 0.995


@dataclass(frozen=True, eq=False, repr=False)
class HeatMap:
    """One picture's evidence for and against each class."""

    image: Image.Image
    """The upright RGB picture that `overlay` draws on."""
    classes: tuple[str, ...]
    contributions_Chw: FloatArray
    """The part that each place adds to each class's logit, on a grid over the network's input square."""
    logits_C: FloatArray
    bias_C: FloatArray
    """``logits_C`` less the sums of the map; with occlusion this is simply the part that the map leaves unexplained."""
    method: Method
    input_size: tuple[int, int]
    """The (H, W) of the network's input."""
    placement: Placement
    winner: int
    """The row of the class that the model answers with."""

    def __repr__(self) -> str:
        rows, columns = self.contributions_Chw.shape[1:]
        return f"<HeatMap by {self.method}, {len(self.classes)} classes, {rows}×{columns} places>"

    def contributions(self, class_name: str | None = None, against: str | None = None) -> FloatArray:
        """Return the (h, w) shares of one class's logit, by default the winner's; with ``against``, of its lead over another's.

        Raises:
            UsageError: there is no such class.
        """
        chosen_hw: FloatArray = self.contributions_Chw[self._row(class_name)]
        if against is not None:
            chosen_hw = chosen_hw - self.contributions_Chw[self._row(against)]
        return chosen_hw

    def on_input(self, class_name: str | None = None, against: str | None = None) -> FloatArray:
        """Return the (H, W) shares of each pixel of the network's input square, with the same sum as `contributions`."""
        grid_hw = self.contributions(class_name, against).astype(np.float64)
        height, width = self.input_size
        heat_HW: Floats = spread(grid_hw.shape[0], height) @ grid_hw @ spread(grid_hw.shape[1], width).T
        return heat_HW.astype(np.float32)

    def on_picture(
        self, class_name: str | None = None, against: str | None = None, *, size: tuple[int, int] | None = None
    ) -> FloatArray:
        """Return the (Y, X) evidence at each pixel of the upright picture, in logits for the whole input square's area.

        NaN where the network does not look (outside a centre crop). ``size`` (width, height) draws it smaller.

        Raises:
            UsageError: there is no such class.
        """
        width, height = size or self.image.size
        grid_hw = self.contributions(class_name, against).astype(np.float64) * self.contributions_Chw[0].size
        box, (own_w, own_h) = self.placement, self.image.size
        rows_Yh = sample(grid_hw.shape[0], (np.arange(height) + 0.5) * own_h / height, box.top, box.bottom)
        columns_Xw = sample(grid_hw.shape[1], (np.arange(width) + 0.5) * own_w / width, box.left, box.right)
        heat_YX: FloatArray = (rows_Yh @ grid_hw @ columns_Xw.T).astype(np.float32)
        return heat_YX

    def overlay(
        self,
        class_name: str | None = None,
        *,
        against: str | None = None,
        side: int = 640,
        legend: bool = False,
    ) -> Image.Image:
        """Draw evidence for the class (orange) and against it (blue) over the picture; parts the network did not see are dark.

        ``against`` shows instead what tells the class from another one. One scale serves all classes of a picture, so
        that their overlays can be compared. ``side``: pixels of the longer side; ``legend`` adds a line below.

        Raises:
            UsageError: there is no such class, or ``side`` is not a number of pixels.
        """
        if side < 1:
            raise UsageError(f"side is {side}; give the longer side in pixels, such as 640")
        scale = side / max(self.image.size)
        size = max(1, round(self.image.width * scale)), max(1, round(self.image.height * scale))
        photo_YXK = np.asarray(self.image.resize(size, Image.Resampling.LANCZOS), np.float64)
        heat_YX = self.on_picture(class_name, against, size=size).astype(np.float64)
        drawn = Image.fromarray(tinted(photo_YXK, heat_YX / self._scale()))
        if not legend:
            return drawn
        name = self.classes[self._row(class_name)]
        return with_legend(drawn, name if against is None else f"{name} rather than {against}")

    def _repr_png_(self) -> bytes:
        """Show the overlay of the winning class in a notebook."""
        data = BytesIO()
        self.overlay(legend=True).save(data, "PNG")
        return data.getvalue()

    def _scale(self) -> float:
        """The evidence (logits for the input's area) that is drawn in full colour."""
        density_C = np.abs(self.contributions_Chw).reshape(len(self.contributions_Chw), -1)
        strongest = float(np.quantile(density_C, SCALE_QUANTILE, axis=1).max()) * density_C.shape[1]
        return strongest or 1.0

    def _row(self, class_name: str | None) -> int:
        if class_name is None:
            return self.winner
        if class_name not in self.classes:
            known = ", ".join(self.classes[:10]) + (", …" if len(self.classes) > 10 else "")
            raise UsageError(f"the model has no class “{class_name}”; its classes are {known}")
        return self.classes.index(class_name)


class Heatmaps:
    """Makes heat maps of one model; safe to use from several threads."""

    def __init__(
        self,
        model: bytes,
        classes: Sequence[str],
        preparation: Preparation,
        *,
        method: Method | None = None,
        mix_WC: Floats | None = None,
        answers: Callable[[FloatArray], Floats] | None = None,
    ) -> None:
        """Open a model; ``method`` None: activation where the graph allows it, else occlusion.

        ``mix_WC``: how much each of the W logits speaks for each class; None where each class has a logit of its own.
        ``answers``: (N, W) logits → (N, C), the largest of which wins; None where that is the one with the largest logit.

        Raises:
            BundleError: the graph cannot be trusted.
            SchemaError: the graph gives another number of logits.
            UsageError: activation was asked for, and the graph has no such form; there is no such method; the network takes no
                images.
            WeightsError: the graph cannot be loaded.
        """
        if method not in (None, "activation", "occlusion"):
            raise UsageError(f"there is no method “{method}”; it is activation, occlusion, or None for the best")
        self.classes = tuple(classes)
        self.preprocess = for_images(preparation)
        audit_graph(model)
        self._evidence: Evidence | None = None
        self._session = Session(model)
        self._mix_WC, self._answers = mix_WC, answers
        self._width = len(self.classes) if mix_WC is None else len(mix_WC)
        if self._session.outputs.get(LOGITS) != (self._width,):
            raise SchemaError(
                f"the graph gives {self._session.outputs.get(LOGITS, 'no')} logits for {len(self.classes)} classes"
            )
        if method != "occlusion":
            try:
                self._open(model)
            except NoPlacesError as error:
                if method == "activation":
                    raise UsageError(f"no map by activation: {error}; use occlusion") from None

    @property
    def method(self) -> Method:
        """The method by which the maps are made."""
        return "occlusion" if self._evidence is None else "activation"

    def of(self, picture: Picture, *, fitted: Image.Image | None = None) -> HeatMap:
        """Map the evidence in a picture: a path, the bytes of a file, or a Pillow image.

        ``fitted``: the picture as the network gets it, from `resize_image`, where the caller has that; ``picture`` may
        then be smaller than it was.

        Raises:
            ImageError: missing, unreadable or not an image.
        """
        image = _upright(picture, self.preprocess)
        fitted = fitted or resize_image(image, self.preprocess.resize)
        if self._evidence is None:
            grid_Whw, logits_W = self._occlude(fitted)
        else:
            grid_Whw, logits_W = self._activations(to_tensor(fitted, self.preprocess), self._evidence)
        grid_Chw, logits_C = self._of_classes(grid_Whw), self._of_classes(logits_W)
        answers_C = logits_C if self._answers is None else self._answers(logits_W[None].astype(np.float32))[0]
        return HeatMap(
            image=image,
            classes=self.classes,
            contributions_Chw=grid_Chw.astype(np.float32),
            logits_C=logits_C.astype(np.float32),
            bias_C=(logits_C - grid_Chw.sum(axis=(1, 2))).astype(np.float32),
            method=self.method,
            input_size=self.preprocess.resize.size,
            placement=Placement.of(image.size, self.preprocess.resize),
            winner=int(answers_C.argmax()),
        )

    def _of_classes(self, per_logit: Floats) -> Floats:
        """Turn shares of each logit (the first axis) into shares of each class."""
        if self._mix_WC is None:
            return per_logit
        mixed: Floats = np.tensordot(self._mix_WC, per_logit, axes=(0, 0))
        return mixed

    def _open(self, model: bytes) -> None:
        """Load the graph with the maps and divisors as outputs, and check on one image that the shares add up to the logits."""
        import onnx

        opened = onnx.load_from_string(model)
        evidence = find_evidence(opened)
        names = dict.fromkeys(
            name for term in evidence.terms for name in (term.tensor, *(divisor.tensor for divisor in term.divisors))
        )
        present = {value.name for value in opened.graph.output}
        for name in names:
            if name not in present:
                opened.graph.output.append(onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None))
        session = Session(opened.SerializeToString())
        self._session, plain = session, self._session
        height, width = self.preprocess.resize.size
        noise = np.random.default_rng(0).standard_normal((3, height, width)).astype(np.float32)
        grid_Whw, logits_W = self._activations(noise, evidence)
        gap = float(np.abs(evidence.bias_C + grid_Whw.sum(axis=(1, 2)) - logits_W).max())
        if not gap <= 1e-3 * max(1.0, float(np.abs(logits_W).max())):
            self._session = plain
            raise NoPlacesError(f"the shares miss the logits by {gap:.2g}")
        self._evidence = evidence

    def _activations(self, tensor_KHW: FloatArray, evidence: Evidence) -> tuple[Floats, Floats]:
        """Compute (W, h, w) shares on the finest grid of any term, and (W,) logits."""
        names = [LOGITS, *dict.fromkeys(n for t in evidence.terms for n in (t.tensor, *(d.tensor for d in t.divisors)))]
        values = dict(zip(names, self._session.run(tensor_KHW[None], names), strict=True))
        shares = [_shares(term, values) for term in evidence.terms]
        rows, columns = (max(share_Chw.shape[axis] for share_Chw in shares) for axis in (1, 2))
        total_Whw = np.zeros((self._width, rows, columns))
        for share_Chw in shares:
            total_Whw += spread(share_Chw.shape[1], rows) @ share_Chw @ spread(share_Chw.shape[2], columns).T
        return total_Whw, values[LOGITS][0].astype(np.float64)

    def _occlude(self, fitted: Image.Image) -> tuple[Floats, Floats]:
        """Compute (W, h, w) mean drops of the logits, shared out to places, and the (W,) logits of the whole picture."""
        height, width = self.preprocess.resize.size
        starts_y, starts_x = _window_starts(height), _window_starts(width)
        square_h, square_w = -(-height // SQUARE_SHARE), -(-width // SQUARE_SHARE)
        logits_W = self._logits(fitted)

        def drop(corner: tuple[int, int]) -> Floats:
            y, x = corner
            covered = fitted.copy()
            covered.paste((GREY, GREY, GREY), (x, y, x + square_w, y + square_h))
            return logits_W - self._logits(covered)

        corners = [(y, x) for y in starts_y for x in starts_x]
        with ThreadPoolExecutor(available_cores(), thread_name_prefix="occlude") as pool:
            drops_SW = np.array(list(pool.map(drop, corners)))
        drops_WYX = drops_SW.T.reshape(self._width, len(starts_y), len(starts_x))
        cover_hY, cover_wX = _coverage(height, square_h, starts_y), _coverage(width, square_w, starts_x)
        mean_Whw = cover_hY @ drops_WYX @ cover_wX.T
        # A square covers several places, which share its drop.
        return mean_Whw * (height * width) / (square_h * square_w * mean_Whw[0].size), logits_W

    def _logits(self, fitted: Image.Image) -> Floats:
        tensor_KHW = to_tensor(fitted, self.preprocess)
        logits_W: Floats = self._session.run(tensor_KHW[None], [LOGITS])[0][0].astype(np.float64)
        return logits_W


class Mapped(Protocol):
    """A loaded bundle, as far as heat maps need it."""

    def heatmaps(self, method: Method | None = None) -> Heatmaps:
        """Return the maker of the bundle's maps."""
        ...


def heat_map(
    predictor: Mapped, picture: Picture, *, method: Method | None = None, fitted: Image.Image | None = None
) -> HeatMap:
    """Map where in a picture a loaded bundle finds its evidence: ``heat_map(predictor, "bear.jpg").overlay("grizzly")``.

    The graph is read from the bundle again on the first call. ``fitted``: see `Heatmaps.of`.

    Raises:
        BundleError: the bundle is no longer there, or no longer the same.
        ImageError: it is not a usable image.
        UsageError: activation was asked for, and the graph has no such form.
    """
    return predictor.heatmaps(method).of(picture, fitted=fitted)


def _upright(picture: Picture, preprocess: Preprocess) -> Image.Image:
    if isinstance(picture, Image.Image):
        if 0 in picture.size:
            raise ImageError("damaged", f"the image is {picture.width}×{picture.height} pixels")
        return rendered(ImageOps.exif_transpose(picture), preprocess.render)[0]
    if isinstance(picture, bytes):
        return decode(picture, preprocess.decode_size, render=preprocess.render).image
    try:
        data = read_bounded(picture)
    except InputError as error:
        named = picture.name if isinstance(picture, Reference) and not isinstance(picture, PathLike) else picture
        raise ImageError(error.reason, f"{error.detail}: {named!s}") from None
    return decode(data, preprocess.decode_size, render=preprocess.render).image


def _shares(term: Term, values: dict[str, FloatArray]) -> Floats:
    """Compute the (C, h, w) parts that the places of one map add to each logit.

    A place stands for its even share of the input. TensorFlow's padding would have the windows of EfficientNet-Lite half
    a place further down and right, but the filters make up for it: a patch pasted into photos was found within 6 of the
    32 pixels of a place.
    """
    map_Khw = values[term.tensor][0].astype(np.float64)
    weight_KC = term.weight_KC if term.largest else term.weight_KC / map_Khw[0].size
    for divisor in term.divisors:
        value = values[divisor.tensor].astype(np.float64).reshape(-1)
        length = float(np.linalg.norm(value)) if divisor.norm else float(value[0])
        if not divisor.norm and np.ptp(value) > 1e-6 * abs(length):
            raise NoPlacesError(f"“{divisor.tensor}” divides every column by another number")
        weight_KC = weight_KC / length if length else np.zeros_like(weight_KC)
    if term.largest:
        map_Khw = _at_largest(map_Khw)
    map_Khw = np.flip(map_Khw[None], term.reversed_axes)[0]
    shares_Chw: Floats = np.tensordot(weight_KC, map_Khw, axes=(0, 0))
    return shares_Chw


def _at_largest(map_Khw: Floats) -> Floats:
    """Keep each channel's largest value at its place, the first of several, and zeros elsewhere."""
    flat_KP = map_Khw.reshape(len(map_Khw), -1)
    channels_K, places_K = np.arange(len(flat_KP)), flat_KP.argmax(axis=1)
    only_KP = np.zeros_like(flat_KP)
    only_KP[channels_K, places_K] = flat_KP[channels_K, places_K]
    return only_KP.reshape(map_Khw.shape)


def _window_starts(extent: int) -> list[int]:
    """The first pixel of each occluding square along an axis: half a square apart, the last square flush with the end."""
    square = -(-extent // SQUARE_SHARE)
    step = max(1, square // 2)
    last = extent - square
    return [*range(0, last, step), last]


def _coverage(extent: int, square: int, starts: Sequence[int]) -> Floats:
    """The (places, squares) weights that average over the squares covering a place; places are half a square long."""
    places = max(1, round(2 * extent / square))
    centres = (np.arange(places) + 0.5) * extent / places
    covers = np.array([(start <= centres) & (centres < start + square) for start in starts], np.float64).T
    mean: Floats = covers / covers.sum(axis=1, keepdims=True)
    return mean
