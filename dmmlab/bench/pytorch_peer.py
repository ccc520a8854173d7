"""A peer for the benchmarks: the same machine in eager PyTorch, cycle by cycle.

It uses the matrix and the layout of a machine compiled with the scan schedule, so that only the
computing library differs. dmmlab does not require PyTorch; without it, the benchmark is skipped.
"""

from typing import Any

import numpy as np

from ..compiler.compiled import Compiled
from ..compiler.schedule import PortGroup, ports_of, positions
from ..learning.batches import Batch


def loss_and_gradient(compiled: Compiled, batch: Batch) -> Any:
    """Returns a function that computes the squared error and its gradient once.

    Raises ImportError if PyTorch is not installed.
    """
    import torch

    torch.set_num_threads(1)
    (stage,), blocks = compiled.stages, range(len(compiled.layout.blocks))
    matrix = torch.tensor(np.asarray(compiled.weights()[0]), requires_grad=True)
    hard = torch.tensor(stage.hard, dtype=torch.float32)
    rows = {b: torch.tensor(positions(stage.rows, b)) for b in blocks}
    columns = {b: torch.tensor(positions(stage.columns, b)) for b in blocks}
    inputs = {b: torch.tensor(np.asarray(x[:, :, 0])) for b, x in batch.inputs.items()}
    targets = torch.tensor(np.asarray(batch.targets[:, 0]))
    place = {(port, b): i for b in blocks for i, port in enumerate(ports_of(stage.rows, b))}
    inner = {b: [ports for group in stage.groups for ports in group.outputs if b in ports.blocks] for b in blocks}

    def arrived(received: Any, ports: PortGroup, b: int) -> Any:
        if b not in ports.blocks:
            return torch.zeros(len(ports.ports), len(compiled.layout.blocks[b]))
        start = place[ports.ports[0], b]
        return received[b][start : start + len(ports.ports)]

    def up(received: Any) -> Any:
        emitted: dict[Any, Any] = {}
        for group in stage.groups:
            x = [{b: arrived(received, ports, b) for b in blocks} for ports in group.inputs]
            if group.kind.name == "accum":
                results = [{b: x[0][b] + x[1][b] for b in blocks}]
            elif group.kind.name == "norm":
                results = [{0: torch.cat([x[0][b] for b in blocks], dim=1).abs().amax(dim=1, keepdim=True)}]
            elif group.kind.name == "dot":
                total = sum((x[0][b] * x[1][b]).sum(dim=1, keepdim=True) for b in blocks)
                results = [{0: total.clamp(-4.0, 4.0)}]
            elif group.kind.name == "compare":
                difference = x[0][0] - x[1][0]
                results = [{0: difference.relu()}, {0: (-difference).relu()}]
            else:
                continue
            emitted |= {(ports, b): r[b] for ports, r in zip(group.outputs, results, strict=True) for b in ports.blocks}
        return {b: torch.cat([emitted[ports, b] for ports in inner[b]]) for b in blocks}

    def run() -> float:
        matrix.grad = None
        whole = matrix + hard
        parts = {b: whole[rows[b]][:, columns[b]] for b in blocks}
        state = {b: torch.zeros(sum(len(u.ports) for u in inner[b]), len(compiled.layout.blocks[b])) for b in blocks}
        loss = torch.zeros(())
        for t in range(targets.shape[1]):
            received = {b: parts[b] @ torch.cat([inputs[b][:, :, t], state[b]]) for b in blocks}
            answers = torch.stack([received[0][place[port, 0], 0] for port in compiled.answer_ports])
            loss = loss + ((answers - targets[:, t]) ** 2).sum()
            state = up(received)
        loss.backward()
        return loss.item()

    return run
