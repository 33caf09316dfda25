package mssql

import (
	"crypto/tls"
	"slices"
	"testing"
)

// TLS within PRELOGIN ends at 1.2, whatever is offered; before the first packet there is the latest.
func TestVersionsOfTLS(t *testing.T) {
	for _, strict := range []bool{false, true} {
		s := (&server{login: accepted, strict: strict}).start(t)
		config := s.config()
		config.Trust.Strict = strict
		if got := Probe(t.Context(), config); got.Verdict != Accepted {
			t.Fatalf("strict %t: %v", strict, got)
		}
		if offered := s.hello.Load().SupportedVersions; slices.Contains(offered, tls.VersionTLS13) != strict || !slices.Contains(offered, tls.VersionTLS12) {
			t.Errorf("strict %t: %x is offered", strict, offered)
		}
	}
}
