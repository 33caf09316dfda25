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
	said int
}

func (e *endless) Start(context.Context, string) (Pipe, error) { return e, nil }

func (e *endless) Receive(context.Context) (Output, error) {
	e.said += 32 << 10
	return Output{Stdout: bytes.Repeat([]byte("x"), 32<<10)}, nil
}

// A host that says anything but a reply, without an end, is given up after some of it.
func TestEndlessOutput(t *testing.T) {
	e := &endless{}
	s, err := Open(t.Context(), e, Config{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Look(t.Context(), []Op{MachineIdentity{}}); !errors.Is(err, ErrFrame) {
		t.Error(err)
	}
	if e.said > 2*maxNoise {
		t.Errorf("%d bytes were read", e.said)
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
