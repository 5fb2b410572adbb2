"""Muon for the hidden matrices, AdamW for everything else, behind one optimizer's face.

Muon (Jordan et al. 2024, https://kellerjordan.github.io/posts/muon/) replaces a matrix's momentum by the nearest
orthogonal matrix, found by Newton-Schulz iterations; NorMuon (Li et al. 2025, https://arxiv.org/abs/2510.05491), which
this is, then evens out how far the rows, a neuron each, are stepped. torch.optim.Muon iterates in bfloat16, matrix by
matrix, which on a processor without bfloat16 units costs more than the model itself; here matrices of one shape are
iterated together, in float32 on a CPU and in bfloat16 on a GPU.
"""

import torch

COEFFICIENTS = (3.4445, -4.7750, 2.0315)
ITERATIONS = 5


class MuonWithAdamW(torch.optim.Optimizer):
    """`matrices` [m, n] are stepped by Muon, `others` of any shape by AdamW, each group at its own learning rate.

    Muon's step has a root mean square of 0.2, which is about AdamW's (Liu et al. 2025,
    https://arxiv.org/abs/2502.16982), so one learning rate fits all shapes.
    """

    def __init__(
        self, matrices: list, others: list, learning_rate: float, other_learning_rate: float, weight_decay: float,
        momentum: float = 0.95, row_momentum: float = 0.95,
    ):  # fmt: skip
        adamw = {"betas": (0.9, 0.95), "eps": 1e-8}
        muon = {"momentum": momentum, "row_momentum": row_momentum}
        super().__init__(
            [
                {"params": matrices, "lr": learning_rate, "weight_decay": weight_decay, **muon},
                {"params": others, "lr": other_learning_rate, "weight_decay": 0.0, **adamw},
            ],
            {},
        )

    @torch.no_grad()
    def step(self, closure=None):
        matrices, others = self.param_groups
        shapes: dict[tuple, list[torch.nn.Parameter]] = {}
        for weight in matrices["params"]:
            if weight.grad is not None:
                shapes.setdefault(tuple(weight.shape), []).append(weight)
        for weights in shapes.values():
            updates = orthogonalized(torch.stack([self._momentum(weight, matrices["momentum"]) for weight in weights]))
            for weight, update in zip(weights, updates, strict=True):
                evened = self._evened(weight, update, matrices["row_momentum"])
                weight.mul_(1 - matrices["lr"] * matrices["weight_decay"])
                weight.add_(evened, alpha=-matrices["lr"] * 0.2 * weight.numel() ** 0.5)
        for weight in others["params"]:
            if weight.grad is not None:
                self._adamw(weight, others)

    def _momentum(self, weight: torch.nn.Parameter, momentum: float) -> torch.Tensor:
        """The gradient, looked ahead along its running mean (Nesterov)."""
        state = self.state[weight]
        if not state:
            state["momentum"] = torch.zeros_like(weight)
        state["momentum"].lerp_(weight.grad, 1 - momentum)
        return weight.grad.lerp(state["momentum"], momentum)

    def _evened(self, weight: torch.nn.Parameter, update: torch.Tensor, momentum: float) -> torch.Tensor:
        """`update` of norm 1, each row divided by the running root mean square of its entries."""
        state = self.state[weight]
        squares = update.square().mean(1, keepdim=True)
        state["rows"] = squares if "rows" not in state else state["rows"].lerp(squares, 1 - momentum)
        evened = update / (state["rows"].sqrt() + 1e-8)
        return evened / (evened.norm() + 1e-8)

    def _adamw(self, weight: torch.nn.Parameter, group: dict) -> None:
        state = self.state[weight]
        if not state:
            state.update(step=0, mean=torch.zeros_like(weight), square=torch.zeros_like(weight))
        state["step"] += 1
        slow, fast = group["betas"]
        state["mean"].lerp_(weight.grad, 1 - slow)
        state["square"].lerp_(weight.grad.square(), 1 - fast)
        corrected = (state["square"] / (1 - fast ** state["step"])).sqrt_().add_(group["eps"])
        weight.mul_(1 - group["lr"] * group["weight_decay"])
        weight.addcdiv_(state["mean"], corrected, value=-group["lr"] / (1 - slow ** state["step"]))


def orthogonalized(matrices: torch.Tensor) -> torch.Tensor:
    """About the nearest orthogonal matrix of each of `matrices` [count, m, n]: singular values near 1."""
    a, b, c = COEFFICIENTS
    x = matrices.bfloat16() if matrices.is_cuda else matrices.float()
    tall = x.shape[1] > x.shape[2]
    x = x.mT if tall else x
    x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
    for _ in range(ITERATIONS):
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return (x.mT if tall else x).to(matrices.dtype)
