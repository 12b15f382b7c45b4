r"""The field at a site as all other responses leave it, from Laplace's approximation with all.

At the mode :math:`\hat\eta`, with slopes g of the log likelihoods, information W and posterior
variances S of the field at the sites, the approximation is the prior times one normal factor a
response. Taking that of response i out leaves

.. math:: v_i = \frac{S_i}{1 - S_i W_i}, \quad m_i = \hat\eta_i - v_i g_i.

Nothing is searched anew: the others' factors stay where the full data put them (a linear response
to leaving i out). The response is then foretold by its own law, not by its normal factor.

References
----------
Vehtari, Mononen, Tolvanen, Sivula and Winther (2016), JMLR 17, sec. 3.3; Opper and Winther (2000),
Neural Computation 12, 2655-2684.
"""

from __future__ import annotations

from womble.arrays import FloatArray
from womble.likelihoods import Terms


def cavities(eta: FloatArray, terms: Terms, variances: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Mean and variance of the field at each site, shape (n,), without the response there.

    Parameters
    ----------
    eta : array, shape (n,)
        The mode.
    terms : Terms
        The likelihood there.
    variances : array, shape (n,)
        Of the field at the sites given all responses.
    """
    v = variances / (1 - variances * terms.information)
    return eta - v * terms.slope, v
