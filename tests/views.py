"""Sets of views that an answer may be the mean of."""

from drivetrain.embed.recipe import View

ONE = (View.PLAIN,)
TWO = (View.PLAIN, View.MIRROR)
FOUR = (View.PLAIN, View.MIRROR, View.FLIP, View.HALF_TURN)
