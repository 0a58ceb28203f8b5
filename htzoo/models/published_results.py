"""Results that papers report, by the name of the model in the zoo."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Trust = Literal["stated", "derived", "our reading"]


@dataclass(frozen=True)
class Published:
    """A row of a published table.

    Figures that are remembered from a paper, and were not checked against it, are in the note, which says so.

    Attributes:
        source: the paper.
        trust: how the count is known: ``stated`` by the authors, ``derived`` by arithmetic from what they state, or
            ``our reading`` of a paper whose shapes are not public.
        parameters: input-to-hidden parameters as printed, or derived from what is printed; None if unknown.
        corrected: the true count, if the printed one is wrong.
        ratio: how many times fewer than dense, as printed.
        accuracy: as printed, from 0 to 1; mean average precision on Hollywood2.
        model_parameters: of the whole model without the bias of the LSTM, in millions, as printed in the table of
            VIB-LSTM (WACV 2021).
        note: remarks.
    """

    source: str
    trust: Trust
    parameters: int | None = None
    corrected: int | None = None
    ratio: float | None = None
    accuracy: float | None = None
    model_parameters: str | None = None
    note: str = ""


_TT = "Yang, Krompass and Tresp, ICML 2017"
_BT = "Ye et al., CVPR 2018"
_TR = "Pan et al., AAAI 2019"
_HT = "Yin et al., arXiv 2005.04366"
_FDHT = "Yin et al., CVPR 2021, arXiv 2104.05758"
_KCP = "Wang et al., arXiv 2008.09342"
_TEDNET = "TedNet: Pan, Wang and Xu, Neurocomputing 469, 2022"
_PSTRN = "Li et al., Complex & Intelligent Systems, 2022"
_BT_COUNT = "the printed count is 58.9 million divided by the printed ratio"
_FDHT_NOTE = (
    "3,132 to 8,808 parameters for the whole layer are published, and ratios of 3,985 to 10,711; which belong to which "
    "dataset is not public"
)
_HT_CNN = "shape and ranks with CNN features are not published: these are our choice"

PUBLISHED: dict[str, Published] = {
    "ucf11_lstm": Published(_BT, "stated", 58_982_400, None, 1, 0.697, "59.25"),
    "ucf11_tt": Published(_TT, "stated", 3_360, None, 17_554, 0.796, "0.268"),
    "ucf11_tt_gru": Published(_TT, "derived", 3_232, note="accuracy .813 is remembered, not seen in a source"),
    "ucf11_bt_r1": Published(
        _BT, "stated", 721, 722, 81_693, note=f"{_BT_COUNT}; accuracy .784 is remembered, not seen in a source"
    ),
    "ucf11_bt_r2": Published(
        _BT, "stated", 1_470, 1_472, 40_069, note=f"{_BT_COUNT}; accuracy .803 is remembered, not seen in a source"
    ),
    "ucf11_bt": Published(
        _BT, "stated", 3_387, 3_392, 17_388, 0.853, "0.268", f"{_BT_COUNT}; later papers print 17,414"
    ),
    "ucf11_tr": Published(
        _TR,
        "stated",
        1_725,
        None,
        34_193,
        0.869,
        "0.267",
        "modes and ranks are remembered; they give the count exactly",
    ),
    "ucf11_ht": Published(_HT, "stated", 1_245, None, 47_375, 0.872, "0.266", "ranks derived from the count"),
    "ucf11_kcp": Published(
        _KCP, "our reading", 212, None, 278_219, note="count derived from the ratio; no shape is public"
    ),
    "ytc_lstm": Published(_TT, "stated", None, accuracy=0.332, note="H is 225 in the authors' code"),
    "ytc_tt": Published(_TT, "stated", 3_392, None, 17_388, 0.755),
    "ytc_tt_gru": Published(
        _TT, "stated", 3_328, None, None, 0.800, note="the printed ratio of 17,723 is to a dense LSTM; 13,292 to a GRU"
    ),
    "ytc_ht": Published(_HT, "stated", 810, None, 72_818, 0.881, note="ranks derived from the count"),
    "hollywood2_tt": Published(_TT, "derived", 3_104, note="MAP .546 is remembered, not seen in a source"),
    "hollywood2_tt_gru": Published(_TT, "derived", 2_944, note="MAP .537 is remembered, not seen in a source"),
    "ucf11_cnn_lstm": Published(
        _TR, "stated", None, accuracy=0.923, note="another paper reaches .9853 with an LSTM (VIB-LSTM, WACV 2021)"
    ),
    "ucf11_cnn_tr": Published(
        _TR, "derived", 663_552, None, 25, 0.938, note="ranks are the defaults of the authors' code"
    ),
    "ucf11_cnn_ht": Published(_HT, "our reading", None, accuracy=0.981, note=_HT_CNN),
    "ucf11_cnn_fdht": Published(_FDHT, "our reading", None, note=_FDHT_NOTE),
    "hmdb51_cnn_lstm": Published(_TR, "stated", None, accuracy=0.629),
    "hmdb51_cnn_tr": Published(
        _TR, "derived", 663_552, None, 25, 0.638, note="ranks are the defaults of the authors' code"
    ),
    "hmdb51_cnn_ht": Published(_HT, "our reading", None, accuracy=0.642, note=_HT_CNN),
    "hmdb51_cnn_fdht": Published(_FDHT, "our reading", None, note=_FDHT_NOTE),
    "ucf11_cnn_tr_tednet": Published(_TEDNET, "derived", 115_200, None, 146, 0.9209),
    "ucf11_cnn_tt_tednet": Published(_TEDNET, "derived", 102_400, None, 164, 0.9019),
    "ucf11_cnn_bt_tednet": Published(_TEDNET, "derived", 102_450, None, 164, 0.8892),
    "ucf11_cnn_cp_tednet": Published(_TEDNET, "derived", 115_200, None, 146, 0.8892),
    "ucf11_cnn_tucker_tednet": Published(_TEDNET, "derived", 94_880, None, 177, 0.75),
    "hmdb51_cnn_tr_pstrn_m": Published(_PSTRN, "derived", 359_232, None, 46.7, 0.5967),
    "hmdb51_cnn_tr_pstrn_s": Published(_PSTRN, "derived", 483_840, None, 34.7, 0.6004),
}
