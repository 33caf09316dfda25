package values_test

import (
	"bufio"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"testing"

	"meshrotate/providers/values"
	"meshrotate/reconciler/secret"
	"meshrotate/state/file"
)

// minterDir tells a copy of the test program to mint values in a folder until it is killed.
const minterDir = "MESHROTATE_TEST_MINTER"

func TestMain(m *testing.M) {
	if dir := os.Getenv(minterDir); dir != "" {
		mint(dir)
	}
	os.Exit(m.Run())
}

// mint acknowledges every value with its hash.
func mint(dir string) {
	seal, err := values.SealFrom(nil, values.Config{})
	store, err2 := file.Open(dir)
	err = errors.Join(err, err2)
	s := values.Supply{Keep: values.NewKeep(store, seal), Sources: map[string]values.Source{"relaykey": values.Generated{}},
		Declared: map[string]string{}}
	for i := 0; err == nil; i++ {
		ref := secret.Ref{Name: "relaykey", Version: fmt.Sprint(i)}
		s.Declared["relaykey"] = ref.Version
		var v secret.Value
		if v, err = s.Fetch(context.Background(), ref); err == nil {
			fmt.Printf("%d %x\n", i, sha256.Sum256(v.Expose()))
		}
	}
	fmt.Println("failed:", err)
	os.Exit(1)
}

// minter is a child that mints until it is killed.
type minter struct {
	cmd *exec.Cmd
	out *bufio.Scanner
}

func startMinter(t *testing.T, dir string, identity secret.Value) minter {
	t.Helper()
	c := exec.Command(os.Args[0])
	c.Env = append(os.Environ(), minterDir+"="+dir, values.DefaultIdentity+"="+string(identity.Expose()))
	c.Stderr = os.Stderr
	out, err := c.StdoutPipe()
	if err == nil {
		err = c.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Process.Kill(); _ = c.Wait() })
	return minter{c, bufio.NewScanner(out)}
}

// read takes the acknowledgements of up to n values, or of all until the end when it is killed.
func (m minter) read(t *testing.T, acknowledged map[string]string, n int) {
	t.Helper()
	for ; n > 0 && m.out.Scan(); n-- {
		version, hash, ok := strings.Cut(m.out.Text(), " ")
		if strings.HasPrefix(m.out.Text(), "failed") {
			t.Fatal(m.out.Text())
		}
		if !ok || len(hash) != 64 {
			continue // cut by the kill: not acknowledged
		}
		if before := acknowledged[version]; before != "" && before != hash {
			t.Fatalf("version %s had two values", version)
		}
		acknowledged[version] = hash
	}
}

// Whatever was acknowledged before a kill is there after it, whole, and two processes never have two values.
func TestKilledWhileKeeping(t *testing.T) {
	dir := t.TempDir()
	identity, _ := newIdentity(t)
	acknowledged := map[string]string{}
	for range 12 {
		children := []minter{startMinter(t, dir, identity), startMinter(t, dir, identity)}
		children[0].read(t, acknowledged, len(acknowledged)+1+rand.IntN(10)) // some that were there, and some new ones
		for _, c := range children {
			_ = c.cmd.Process.Kill()
		}
		for _, c := range children {
			c.read(t, acknowledged, 1<<30)
			_ = c.cmd.Wait()
		}
		keep := values.NewKeep(blobs(t, dir), sealOf(t, identity))
		versions, err := keep.Versions(t.Context(), "relaykey")
		if err != nil || len(versions) < len(acknowledged) {
			t.Fatalf("%d versions, %d acknowledged, %v", len(versions), len(acknowledged), err)
		}
		for _, version := range versions {
			v, err := keep.Get(t.Context(), secret.Ref{Name: "relaykey", Version: version})
			if err != nil {
				t.Fatal(err)
			}
			if want := acknowledged[version]; want != "" && want != fmt.Sprintf("%x", sha256.Sum256(v.Expose())) {
				t.Fatalf("version %s changed", version)
			}
		}
	}
	t.Logf("%d values acknowledged", len(acknowledged))
}
