package values_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"meshrotate/providers/values"
	"meshrotate/reconciler/secret"
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
	s := values.Supply{Keep: values.NewKeep(dir, seal), Sources: map[string]values.Source{"relaykey": values.Generated{}}}
	for i := 0; err == nil; i++ {
		ref := secret.Ref{Name: "relaykey", Version: fmt.Sprint(i)}
		var v secret.Value
		if v, err = s.Fetch(context.Background(), ref); err == nil {
			fmt.Printf("%d %x\n", i, sha256.Sum256(v.Expose()))
		}
	}
	fmt.Println("failed:", err)
	os.Exit(1)
}

// Whatever was acknowledged before a kill is there after it, whole, and two processes never have two values.
func TestKilledWhileKeeping(t *testing.T) {
	dir := t.TempDir()
	identity, _ := newIdentity(t)
	acknowledged := map[string]string{}
	for range 12 {
		var children []*exec.Cmd
		var outs []*bytes.Buffer
		for range 2 {
			c, out := exec.Command(os.Args[0]), &bytes.Buffer{}
			c.Env = append(os.Environ(), minterDir+"="+dir, values.DefaultIdentity+"="+string(identity.Expose()))
			c.Stdout, c.Stderr = out, out
			if err := c.Start(); err != nil {
				t.Fatal(err)
			}
			children, outs = append(children, c), append(outs, out)
		}
		time.Sleep(time.Duration(50+rand.IntN(150)) * time.Millisecond)
		for i, c := range children {
			_ = c.Process.Kill()
			_ = c.Wait()
			lines := bufio.NewScanner(outs[i])
			for lines.Scan() {
				version, hash, ok := strings.Cut(lines.Text(), " ")
				if !ok || len(hash) != 64 {
					if strings.HasPrefix(lines.Text(), "failed") {
						t.Fatal(lines.Text())
					}
					continue // cut by the kill: not acknowledged
				}
				if before := acknowledged[version]; before != "" && before != hash {
					t.Fatalf("version %s had two values", version)
				}
				acknowledged[version] = hash
			}
		}
		keep := values.NewKeep(dir, sealOf(t, identity))
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
	if len(acknowledged) == 0 {
		t.Fatal("no child got as far as one value")
	}
	t.Logf("%d values acknowledged", len(acknowledged))
}
