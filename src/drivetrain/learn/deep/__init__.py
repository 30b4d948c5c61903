"""Fine-tuning with torch: the only package that imports it, and only those who ask for it need it installed.

Input: batches of uint8 images. Output: a network whose weights go back into the same ONNX graph the rest reads.
"""

from importlib.util import find_spec

from ...core.errors import UsageError
from ...core.installation import install_command

if find_spec("torch") is None:
    raise UsageError(f"fine-tuning needs torch, which is not installed; {install_command('deep')}")
