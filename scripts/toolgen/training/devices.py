"""More than one device: the same script again, once for each, under torchrun or accelerate."""

import os
import sys


def main_process() -> bool:
    return int(os.environ.get("RANK", "0")) == 0


def spread(num_processes: int, accelerate_config: str | None) -> None:
    """Replace this process by `num_processes` that share the work, unless it is one of these already.

    torchrun starts them for DDP. With `accelerate_config`, a file that `accelerate config` wrote, accelerate does, by
    what that file says of FSDP. (`accelerate launch --cpu` would start a single process, and say nothing.)
    """
    if num_processes == 1 or "LOCAL_RANK" in os.environ:
        return
    if accelerate_config:
        launcher = ["accelerate.commands.launch", "--config_file", accelerate_config,
                    "--num_processes", str(num_processes)]  # fmt: skip
    else:
        launcher = ["torch.distributed.run", "--standalone", "--nproc-per-node", str(num_processes)]
    os.environ.setdefault("OMP_NUM_THREADS", str(max((os.cpu_count() or 1) // num_processes, 1)))
    os.execv(sys.executable, [sys.executable, "-m", *launcher, *sys.argv])
