//go:build unix

package winrm

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync/atomic"
	"syscall"
	"testing"

	"meshrotate/providers/lab/webauth"
	"meshrotate/providers/lab/wsman"
)

// serverOfItsOwn makes the test binary a server, so that a benchmark can tell the client's time from the server's.
const serverOfItsOwn = "MESHROTATE_WINRM_TEST_SERVER"

// TestServerOfItsOwn is no test: it serves the lab for BenchmarkHost until standard input ends.
func TestServerOfItsOwn(t *testing.T) {
	if os.Getenv(serverOfItsOwn) == "" {
		return
	}
	srv := &wsman.Server{Auth: webauth.Rules{Negotiate: true}}
	authority := "none"
	if os.Getenv(serverOfItsOwn) == "https" {
		key, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			t.Fatal(err)
		}
		own, _ := certifyKey(t, "relay01", key)
		// As Windows has it: RSA, whole records, and no ML-KEM.
		srv.TLS = &tls.Config{Certificates: []tls.Certificate{own}, DynamicRecordSizingDisabled: true,
			CurvePreferences: []tls.CurveID{tls.X25519, tls.CurveP256, tls.CurveP384}}
		authority = hex.EncodeToString(own.Certificate[0])
	}
	fmt.Printf("serving %s %s\n", serveLab(t, srv), authority)
	_, _ = io.Copy(io.Discard, os.Stdin)
}

// BenchmarkHost is one host's whole conversation, with 15 KB each way, many hosts at a time: sealed by NTLM, and over HTTPS.
// client-ns/op is this process's processor time; the server runs in another one.
func BenchmarkHost(b *testing.B) {
	for _, way := range []string{"sealed", "https"} {
		b.Run(way, func(b *testing.B) { benchmarkHost(b, way) })
	}
}

func benchmarkHost(b *testing.B, way string) {
	cmd := exec.CommandContext(b.Context(), os.Args[0], "-test.run=^TestServerOfItsOwn$", "-test.v")
	cmd.Env = append(os.Environ(), serverOfItsOwn+"="+way)
	in, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	defer func() {
		_ = in.Close()
		_ = cmd.Wait()
	}()
	var addr, word, authority string
	for word != "serving" {
		if _, err := fmt.Fscan(out, &word); err != nil {
			b.Fatal(err)
		}
	}
	if _, err := fmt.Fscan(out, &addr, &authority); err != nil {
		b.Fatal(err)
	}
	go func() { _, _ = io.Copy(io.Discard, out) }()
	cfg := sealing(addr)
	if way == "https" {
		der, err := hex.DecodeString(authority)
		if err != nil {
			b.Fatal(err)
		}
		leaf, err := x509.ParseCertificate(der)
		if err != nil {
			b.Fatal(err)
		}
		cfg.HTTPS, cfg.TLS = true, &tls.Config{RootCAs: x509.NewCertPool()}
		cfg.TLS.RootCAs.AddCert(leaf)
	}
	data := bytes.Repeat([]byte("0123456789abcde\n"), 15<<10/16)
	var requests atomic.Int64 // 8 for each, and more where a host under load splits its output
	before := processorTime(b)
	b.SetParallelism(16) // a fleet: one host at a time would mostly measure an idle scheduler
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			s, err := Open(b.Context(), cfg)
			if err != nil {
				b.Error(err)
				return
			}
			if _, err := run(b.Context(), s, data); err != nil {
				b.Error(err)
			}
			if err := s.Close(b.Context()); err != nil {
				b.Error(err)
			}
			requests.Add(int64(s.Requests()))
		}
	})
	b.ReportMetric(float64(processorTime(b)-before)/float64(b.N), "client-ns/op")
	b.ReportMetric(float64(requests.Load())/float64(b.N), "requests/op")
}

func processorTime(b *testing.B) int64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return u.Utime.Nano() + u.Stime.Nano()
}
