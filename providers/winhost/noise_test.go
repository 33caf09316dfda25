package winhost

import (
	"bytes"
	"context"
	"errors"
	"testing"
)

// endless says the same for ever.
type endless struct {
	played
	stderr bool
	said   int
}

func (e *endless) Start(context.Context, string) (Pipe, error) { return e, nil }

func (e *endless) Receive(context.Context) (Output, error) {
	e.said += 32 << 10
	out := Output{Stdout: bytes.Repeat([]byte("x"), 32<<10)}
	if e.stderr {
		out.Stdout, out.Stderr = nil, out.Stdout
	}
	return out, nil
}

// A host that says anything but a reply, without an end, is given up after 4 MiB of it at the most.
func TestEndlessOutput(t *testing.T) {
	for name, ask := range map[string]func(*Session) error{
		"look":  func(s *Session) error { _, err := s.Look(t.Context(), []Op{MachineIdentity{}}); return err },
		"close": func(s *Session) error { return s.Close(t.Context()) },
	} {
		for _, stderr := range []bool{false, true} {
			e := &endless{stderr: stderr}
			s, err := Open(t.Context(), e, Config{})
			if err != nil {
				t.Fatal(err)
			}
			if err := ask(s); !errors.Is(err, ErrFrame) {
				t.Errorf("%s: %v", name, err)
			}
			if e.said > 4<<20 {
				t.Errorf("%s: %d bytes were read", name, e.said)
			}
		}
	}
}

// Whatever stands before the reply is dropped, and nothing that may be its beginning.
func TestWhatStandsBeforeTheReply(t *testing.T) {
	var nonce [NonceSize]byte
	copy(nonce[:], "0123456789abcdef")
	whole := append(bytes.Repeat([]byte("noise 0123"), 50), nonce[:]...)
	whole = append(whole, "the rest"...)
	for cut := range whole {
		output := fromNonce(bytes.Clone(whole[:cut]), nonce)
		if len(output) >= NonceSize && !bytes.HasPrefix(output, nonce[:]) {
			t.Fatalf("cut at %d: %q is kept", cut, output)
		}
		if output = fromNonce(append(output, whole[cut:]...), nonce); string(output) != "0123456789abcdefthe rest" {
			t.Fatalf("cut at %d: %q", cut, output)
		}
	}
}
