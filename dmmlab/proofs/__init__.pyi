from .certificates import CertificateError as CertificateError, check_certificate as check_certificate
from .counterexamples import Counterexample as Counterexample, counterexample as counterexample
from .proofs import Proof as Proof, verify as verify
