//go:build unix

package specs

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/go-git/go-git/v5"
)

// What git keeps of a repository, and is none of a file's kind, is refused and not waited for.
func TestARepositoryOfFIFOs(t *testing.T) {
	for _, name := range []string{".git", ".git/HEAD", ".git/config", ".git/packed-refs", ".git/index", ".git/refs/heads/main"} {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			if _, err := git.PlainInit(root, false); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(root, name)
			if err := os.RemoveAll(path); err != nil {
				t.Fatal(err)
			}
			if err := syscall.Mkfifo(path, 0o600); err != nil {
				t.Skip(err)
			}
			folder := filepath.Join(root, "deployments")
			if err := os.Mkdir(folder, 0o700); err != nil {
				t.Fatal(err)
			}
			answer := make(chan error, 3)
			go func() {
				_, err := openAt(root, false)
				answer <- err
				_, err = openAt(folder, true)
				answer <- err
				if name == ".git" {
					_, err = around(folder, filepath.Join(folder, "a.yaml"), "a.yaml")
				}
				answer <- err
			}()
			for range 3 {
				select {
				case <-time.After(20 * time.Second):
					t.Fatal("it waits")
				case err := <-answer:
					if err == nil || !strings.Contains(err.Error(), "is not a regular file") {
						t.Error(err)
					}
				}
			}
		})
	}
}
