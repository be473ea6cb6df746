"""Where sound enters and leaves: devices that call the native callbacks, block by block.

Read `base` for what a device is, `file` for the one that needs no hardware.
"""

from antiphon.devices.base import BlockTap, Device, Float32, NativeStream
from antiphon.devices.file import FileDevice, Speech

__all__ = ["BlockTap", "Device", "FileDevice", "Float32", "NativeStream", "Speech"]
