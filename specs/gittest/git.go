package gittest

import (
	"net/http"
	"net/http/cgi"
	"os"
	"os/exec"
	"testing"
)

// Program is git's, or the test is skipped; where CI promises it, it fails.
func Program(t testing.TB) string {
	t.Helper()
	path, err := exec.LookPath("git")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("git is not here, and CI must have it")
		}
		t.Skip("git is not here")
	}
	return path
}

// Backend is git's own server of the repositories in a folder, over HTTP. It takes pushes.
func Backend(t testing.TB, root string) http.Handler {
	t.Helper()
	return &cgi.Handler{Path: Program(t), Args: []string{"http-backend"}, Env: []string{"GIT_PROJECT_ROOT=" + root, "GIT_HTTP_EXPORT_ALL=1",
		"GIT_CONFIG_COUNT=2", "GIT_CONFIG_KEY_0=safe.directory", "GIT_CONFIG_VALUE_0=*", "GIT_CONFIG_KEY_1=http.receivepack", "GIT_CONFIG_VALUE_1=true"}}
}
