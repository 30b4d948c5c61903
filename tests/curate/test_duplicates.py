"""Planted copies must be found, look-alikes must not, and no group may cross a fold."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageOps

from drivetrain.core.types import FloatArray, Item, ItemFacts
from drivetrain.curate.duplicates import copies_of, find_duplicates, merge_groups
from drivetrain.data.image import phash
from drivetrain.data.image.copies import joined
from drivetrain.data.image.decode import decode
from drivetrain.data.image.facts import facts_of
from drivetrain.embed.cache import EmbeddingCache
from drivetrain.embed.embedder import Embedder
from drivetrain.embed.recipe import Recipe, View
from drivetrain.embed.registry import resolve
from drivetrain.stats.folds import grouped_folds

pytestmark = pytest.mark.trains


def scene(seed: int) -> Image.Image:
    """A picture with structure at several scales, different for every seed."""
    rng = np.random.default_rng(seed)
    image = Image.fromarray(rng.integers(0, 255, (6, 8, 3), dtype=np.uint8)).resize(
        (320, 240), Image.Resampling.BICUBIC
    )
    draw = ImageDraw.Draw(image)
    for _ in range(12):
        x, y, r = (int(v) for v in rng.integers((0, 0, 10), (320, 240, 60)))
        draw.ellipse((x - r, y - r, x + r, y + r), fill=tuple(int(c) for c in rng.integers(0, 255, 3)))
    return image


def saved(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)  # type: ignore[arg-type]  # Pillow's options differ by format
    return buffer.getvalue()


def facts(*files: bytes) -> tuple[ItemFacts, ...]:
    return tuple(facts_of(f"{row:064x}", decode(data)) for row, data in enumerate(files))


def alone(n: int) -> FloatArray:
    """Features in which nobody is near anybody."""
    return np.eye(n, dtype=np.float32)


ALTERED = {
    "re-encoded at quality 50": lambda image: saved(image, "JPEG", quality=50),
    "half the size": lambda image: saved(image.resize((160, 120), Image.Resampling.LANCZOS)),
    "mirrored": lambda image: saved(ImageOps.mirror(image), "JPEG", quality=85),
    "turned by 90°": lambda image: saved(image.transpose(Image.Transpose.ROTATE_90)),
    "turned by 180° as WEBP": lambda image: saved(image.rotate(180), "WEBP", quality=80),
}


@pytest.mark.parametrize("how", ALTERED)
def test_an_altered_copy_is_found_by_its_hash(how: str) -> None:
    originals = [saved(scene(seed)) for seed in range(30)]
    found = find_duplicates(facts(*originals, ALTERED[how](scene(4))), alone(31))
    assert found.clusters() == [[4, 30]]
    assert found.pairs[0][:3] == (4, 30, "hash")


def test_equal_pixels_in_another_container_are_exact() -> None:
    image = scene(1)
    found = find_duplicates(facts(saved(image), saved(image, "BMP"), saved(scene(2))), alone(3))
    assert found.pairs == ((0, 1, "exact", 1.0),)


def test_distinct_pictures_stay_apart() -> None:
    found = find_duplicates(facts(*(saved(scene(seed)) for seed in range(120))), alone(120))
    assert found.clusters() == []


def test_crops_of_photos_are_found_by_their_embeddings(tmp_path: Path, data_root: Path) -> None:
    """A crop escapes the hash; its embedding is as near as the probes say copies are."""
    backbone = resolve("efficientnet-lite0")
    embedder = Embedder(EmbeddingCache(None))
    photos = [
        path for name in ("building", "scene", "text") for path in sorted((data_root / "scenes" / name).iterdir())
    ]
    with Image.open(photos[40]) as photo:
        width, height = photo.size
        cropped = photo.convert("RGB").crop((width // 50, height // 40, width - width // 50, height - height // 40))
    (tmp_path / "cropped.jpg").write_bytes(saved(cropped, "JPEG", quality=80))
    items = [Item(path, path.name) for path in [*photos, tmp_path / "cropped.jpg"]]
    recipes = [Recipe(backbone, View.PLAIN), Recipe(backbone, View.PROBE)]
    embedded = embedder.embed(items, recipes)
    plain, probed = (embedded[recipe.key].features_ND for recipe in recipes)
    known = embedded[recipes[0].key].facts
    cosines = (plain * probed).sum(axis=1) / (np.linalg.norm(plain, axis=1) * np.linalg.norm(probed, axis=1))
    assert find_duplicates(known, plain).clusters() == []
    found = find_duplicates(known, plain, cosines)
    assert [40, len(photos)] in found.clusters()
    assert len(found.clusters()) <= 3


def test_a_pair_as_near_as_probes_and_nearer_than_neighbours_is_a_copy() -> None:
    rng = np.random.default_rng(0)
    features = rng.normal(size=(60, 64)).astype(np.float32)
    features[59] = features[3] + 0.1 * rng.normal(size=64)
    probes = rng.uniform(0.95, 0.99, size=32).astype(np.float32)
    found = find_duplicates(facts(*(saved(scene(seed).resize((64, 48))) for seed in range(60))), features, probes)
    assert [(i, j, kind) for i, j, kind, _ in found.pairs] == [(3, 59, "embedding")]


def test_where_all_neighbours_are_as_near_as_copies_nobody_is_convicted() -> None:
    """A uniform domain: every picture has neighbours at 0.97–0.99, copies come to 0.9."""
    rng = np.random.default_rng(0)
    features = rng.normal(size=(300, 64)) * 0.02 + 1.0
    features = (features / np.linalg.norm(features, axis=1, keepdims=True)).astype(np.float32)
    probes = rng.uniform(0.85, 0.95, size=64).astype(np.float32)
    pictures = facts(*(saved(scene(seed).resize((64, 48))) for seed in range(300)))
    found = find_duplicates(pictures, features, probes)
    assert found.clusters() == []
    assert found.cosine_threshold is None


def test_a_fence_beyond_every_cosine_convicts_nobody_and_is_no_threshold() -> None:
    """Most pictures have neighbours far away, some close ones: the fence above the latter lies beyond 1."""
    rng = np.random.default_rng(0)
    features = rng.normal(size=(100, 64))
    features[80:90] = features[70:80] + 0.3 * rng.normal(size=(10, 64))  # 20 of 100 with a neighbour at about 0.96
    probes = rng.uniform(0.985, 0.995, size=64).astype(np.float32)
    pictures = facts(*(saved(scene(seed).resize((64, 48))) for seed in range(100)))
    found = find_duplicates(pictures, features.astype(np.float32), probes)
    assert found.cosine_threshold is None
    assert found.clusters() == []


def test_no_group_crosses_a_fold() -> None:
    originals = [scene(seed) for seed in range(40)]
    files = [saved(image) for image in originals] + [saved(image, "JPEG", quality=60) for image in originals[::2]]
    found = find_duplicates(facts(*files), alone(len(files)))
    assert len(found.clusters()) == 20
    labels = np.asarray([row % 2 for row in range(40)] + [row % 2 for row in range(0, 40, 2)], np.int64)
    for seed in range(20):
        folds = grouped_folds(labels, found.groups_N, 5, seed)
        for cluster in found.clusters():
            assert len({int(folds[row]) for row in cluster}) == 1


def test_joining_is_transitive_and_merging_joins_both() -> None:
    groups = joined(6, np.asarray([0, 1, 4]), np.asarray([1, 2, 5]))
    assert groups[0] == groups[1] == groups[2] != groups[3]
    assert groups[4] == groups[5]
    merged = merge_groups(groups, np.asarray([9, 8, 7, 9, 6, 5]))
    assert merged[0] == merged[1] == merged[2] == merged[3] != merged[4]
    assert merged[4] == merged[5]


def test_copies_of_training_images_are_recognised() -> None:
    training = facts(*(saved(scene(seed)) for seed in range(10)))
    digests = np.stack([np.frombuffer(bytes.fromhex(fact.content_sha256), np.uint8) for fact in training])
    frequencies = phash.frequencies([fact.fingerprint or b"" for fact in training])
    new = facts(saved(scene(50)), saved(scene(3)), saved(scene(6), "JPEG", quality=70))
    assert copies_of(new, digests, frequencies) == {1: 3, 2: 6}
    assert copies_of((), digests, frequencies) == {}


def crop(image: Image.Image, seed: int) -> Image.Image:
    rng = np.random.default_rng(seed)
    width, height = round(image.width * 0.9), round(image.height * 0.9)
    x, y = (int(rng.integers(0, most + 1)) for most in (image.width - width, image.height - height))
    return image.crop((x, y, x + width, y + height))


def near_features(n: int, copies: dict[int, int]) -> FloatArray:
    """Features in which a copy has a cosine of 0.95 to its original, as a crop has, and nobody else is near."""
    features = np.eye(n, 2 * n, dtype=np.float32)
    for copy, original in copies.items():
        features[copy] = 0
        features[copy, original], features[copy, n + copy] = 0.95, np.sqrt(1 - 0.95**2)
    return features


PROBES = np.full(64, 0.98, np.float32)


def test_crops_are_found_where_embeddings_are_near_and_the_pictures_agree() -> None:
    originals = [scene(seed) for seed in range(20)]
    files = [*map(saved, originals), *(saved(crop(originals[row], row), "JPEG", quality=85) for row in range(10))]
    copies = {20 + row: row for row in range(10)}
    features = near_features(30, copies)
    found = find_duplicates(facts(*files), features, PROBES)
    assert found.clusters() == [[row, 20 + row] for row in range(10)]
    assert {kind for _, _, kind, _ in found.pairs} == {"crop"}
    # Equally near embeddings of other pictures prove nothing.
    others = [*map(saved, originals), *(saved(scene(100 + row)) for row in range(10))]
    assert find_duplicates(facts(*others), features, PROBES).clusters() == []


def test_a_chain_of_frames_is_one_group_for_splits_and_several_pictures_for_people() -> None:
    """Each frame is like the next; the first and the last show other things."""
    angles = np.arange(11) * 0.12
    features = np.zeros((130, 140), np.float32)
    features[:11, 0], features[:11, 1] = np.cos(angles), np.sin(angles)
    features[11:, 11:130] = np.eye(119)
    pictures = facts(*(saved(scene(seed).resize((64, 48))) for seed in range(130)))
    found = find_duplicates(pictures, features, np.full(64, 0.99, np.float32))
    assert len(set(found.groups_N[:11].tolist())) == 1
    assert 2 <= len(found.clusters()) <= 5
    for cluster in found.clusters():
        assert any((features[cluster] @ features[row] >= 0.98 - 1e-6).all() for row in cluster)
    assert features[0] @ features[10] < 0.4


def test_the_same_is_found_twice_to_the_bit() -> None:
    originals = [scene(seed) for seed in range(30)]
    files = [*map(saved, originals), *(saved(crop(image, 1), "JPEG") for image in originals[:9])]
    features = near_features(39, {30 + row: row for row in range(9)})
    first, second = (find_duplicates(facts(*files), features, PROBES) for _ in range(2))
    assert first.pairs == second.pairs
    assert first.groups_N.tolist() == second.groups_N.tolist()
    assert first.pictures_N.tolist() == second.pictures_N.tolist()


def test_thousands_of_frames_of_a_camera_that_never_moved_make_no_millions_of_pairs() -> None:
    rng = np.random.default_rng(0)
    frequencies = phash.frequencies([phash.low_frequencies(scene(0))])
    frames = (frequencies + rng.normal(0, 0.3, (4000, 16, 16))).astype(np.float16)
    stored = tuple(ItemFacts(f"{row:064x}", f"{row:064x}", {}, frame.tobytes()) for row, frame in enumerate(frames))
    found = find_duplicates(stored, np.ones((4000, 4), np.float32))
    assert len(found.pairs) < 4000 * 600
    assert len(found.clusters()) == 1


def test_many_crops_do_not_hide_a_recoloured_copy() -> None:
    """The threshold is measured among pictures that are no crops of each other: crops are nearer than neighbours ever are."""
    rng = np.random.default_rng(1)
    pictures = [scene(seed) for seed in range(60)]
    crops = [image.crop((8, 6, 304, 228)) for image in pictures[:40]]
    recoloured = Image.fromarray(255 - np.asarray(pictures[50]))
    files = [saved(image) for image in [*pictures, *crops, recoloured]]
    features = rng.normal(size=(101, 64)).astype(np.float32)
    features[60:100] = features[:40] + 0.22 * rng.normal(size=(40, 64))
    features[100] = features[50] + 0.12 * rng.normal(size=64)
    probes = rng.uniform(0.97, 0.99, size=64).astype(np.float32)
    found = find_duplicates(facts(*files), features, probes)
    assert found.cosine_threshold is not None
    assert sum(kind == "crop" for *_, kind, _ in found.pairs) >= 36
    assert (50, 100, "embedding") in [pair[:3] for pair in found.pairs]
