//go:build unix

package mssql

import (
	"context"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
)

func TestALimitOfThisMachine(t *testing.T) {
	config := Config{Host: "sql01", User: "mesh_a", Password: canary}
	config.Dial = func(context.Context, string, string) (net.Conn, error) {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("socket", syscall.EMFILE)}
	}
	got := Probe(t.Context(), config)
	if got.Verdict != Unknown || got.Why != Local || !strings.Contains(got.Err.Error(), "this machine allows") {
		t.Errorf("%v", got)
	}
	_, err := Open(t.Context(), config)
	if !Passes(err) || !strings.Contains(err.Error(), "sql01: this machine allows") {
		t.Errorf("%v", err)
	}
}
