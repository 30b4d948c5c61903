"""Pairs of copies in the photos themselves, judged by eye on contact sheets: file names, and whether they show one picture.

Judged were all pairs that `find_duplicates` found on 2026-11-30 in the photos as they are, with the features of Lite0.
"""

from __future__ import annotations

JUDGED: dict[str, dict[tuple[str, str], bool]] = {
    "bears": {
        ("teddy/jeffridgeway_teddy_00000013.jpg", "teddy/yarjuny_teddy_00000044.jpg"): True,
        ("grizzly/arnoldcheng_grizzly_00000104.jpg", "grizzly/yarjuny_grizzly_00000049.jpg"): True,
        ("grizzly/arnoldcheng_grizzly_00000103.jpg", "grizzly/yarjuny_grizzly_00000131.jpg"): True,
        ("black/ajay_black_00000072.jpg", "black/leoyoung_black_00000067.jpg"): True,
        ("black/leoyoung_black_00000005.jpg", "black/yarjuny_black_00000007.jpg"): True,
        ("black/ajay_black_00000049.jpg", "black/yarjuny_black_00000039.jpg"): True,
        ("grizzly/arnoldcheng_grizzly_00000124.jpg", "grizzly/yarjuny_grizzly_00000055.jpg"): True,
        ("black/arnoldcheng_black_00000149.jpg", "black/leoyoung_black_00000142.jpg"): True,
        ("grizzly/ajay_grizzly_00000103.jpg", "grizzly/jeffridgeway_grizzly_00000100.jpg"): True,
        ("grizzly/ajay_grizzly_00000141.jpg", "grizzly/yarjuny_grizzly_00000140.jpg"): True,
        ("grizzly/ajay_grizzly_00000035.jpg", "grizzly/ajay_grizzly_00000070.jpg"): True,
        ("black/jeffridgeway_black_00000134.jpg", "black/yarjuny_black_00000069.jpg"): True,
        ("black/ajay_black_00000025.jpg", "black/yarjuny_black_00000067.jpg"): True,
        ("black/ajay_black_00000131.jpg", "black/yarjuny_black_00000051.jpg"): True,
        ("grizzly/leoyoung_grizzly_00000055.jpg", "grizzly/yarjuny_grizzly_00000020.jpg"): True,
        ("black/ajay_black_00000087.jpg", "black/yarjuny_black_00000136.jpg"): True,
        ("grizzly/yarjuny_grizzly_00000073.jpg", "grizzly/yarjuny_grizzly_00000104.jpg"): True,
        ("black/ajay_black_00000113.jpg", "black/jeffridgeway_black_00000006.jpg"): True,
        ("grizzly/ajay_grizzly_00000031.jpg", "grizzly/jeffridgeway_grizzly_00000075.jpg"): True,
        ("teddy/ajay_teddy_00000003.jpg", "teddy/poziki_teddy_00000039.jpg"): True,
        ("grizzly/ajay_grizzly_00000109.jpg", "grizzly/arnoldcheng_grizzly_00000124.jpg"): True,
        ("black/leoyoung_black_00000005.jpg", "black/leoyoung_black_00000108.jpg"): True,
        ("grizzly/ajay_grizzly_00000109.jpg", "grizzly/yarjuny_grizzly_00000055.jpg"): True,
        ("black/ajay_black_00000119.jpg", "grizzly/ajay_grizzly_00000120.jpg"): True,
        ("teddy/ajay_teddy_00000065.jpg", "teddy/bachngoh_small_teddy_00000008.jpg"): True,
        ("black/ajay_black_00000001.jpg", "black/ajay_black_00000038.jpg"): True,
        ("black/poziki_black_00000020.jpg", "black/yarjuny_black_00000032.jpg"): True,
        ("black/ajay_black_00000124.jpg", "black/bachngoh_small_black_00000002.jpg"): True,
        ("black/ajay_black_00000096.jpg", "black/yarjuny_black_00000110.jpg"): True,
        ("black/leoyoung_black_00000108.jpg", "black/yarjuny_black_00000007.jpg"): True,
        ("black/ajay_black_00000106.jpg", "black/poziki_black_00000007.jpg"): True,
        ("black/leoyoung_black_00000086.jpg", "black/yarjuny_black_00000062.jpg"): True,
        ("teddy/ajay_teddy_00000071.jpg", "teddy/yarjuny_teddy_00000022.jpg"): True,
        ("black/arnoldcheng_black_00000136.jpg", "black/yarjuny_black_00000074.jpg"): True,
        ("grizzly/arnoldcheng_grizzly_00000030.jpg", "grizzly/yarjuny_grizzly_00000042.jpg"): True,
        ("teddy/yarjuny_teddy_00000028.jpg", "teddy/yarjuny_teddy_00000106.jpg"): True,
        ("black/bachngoh_small_black_00000008.jpg", "black/jeffridgeway_black_00000137.jpg"): True,
        ("black/ajay_black_00000029.jpg", "black/poziki_black_00000033.jpg"): True,
        ("black/ajay_black_00000055.jpg", "black/arnoldcheng_black_00000088.jpg"): True,
        ("black/bachngoh_small_black_00000004.jpg", "black/yarjuny_black_00000038.jpg"): True,
        ("black/leoyoung_black_00000108.jpg", "black/yarjuny_black_00000025.jpg"): True,
    },
    "clothing": {
        (
            "train/shorts/6075b4a5-5b1a-4ce0-aea0-9dbfbca7c35c.jpg",
            "train/skirt/637a56e4-7fa6-4f75-8859-0f8902461554.jpg",
        ): True,
        (
            "train/dress/b59e4d4a-a283-4868-8a81-2f24d8b9c8d8.jpg",
            "train/dress/e6a8b33f-279c-4072-8dba-229d94205e55.jpg",
        ): True,
        (
            "train/t-shirt/0dbc39f0-2048-4580-ad8b-a2540265a414.jpg",
            "train/t-shirt/2bc86809-3b2e-484b-b623-4c5ca81cc606.jpg",
        ): False,
        (
            "train/t-shirt/2cbc567c-79b1-4c37-8f31-6a452650bb80.jpg",
            "train/t-shirt/9a75f3e5-4530-4df2-8527-9d3b3943be18.jpg",
        ): False,
        (
            "train/t-shirt/c40c81ed-b4df-43e9-adba-5b0f6e71228f.jpg",
            "validation/t-shirt/76f8420a-bcea-4bb8-a049-befa05315470.jpg",
        ): False,
    },
    "scenes": {},
}
