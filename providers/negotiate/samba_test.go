package negotiate

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"meshrotate/reconciler/secret"
)

// directory is Samba's Active Directory (Debian: samba-ad-dc, samba-ad-provision) on loopback: its KDC alone.
type directory struct {
	t             *testing.T
	dir           string
	kdc, password string // addresses
}

const adRealm = "AD.CONTOSO.EXAMPLE"

// startDirectory needs the superuser: a domain controller's files are of many owners.
func startDirectory(t *testing.T) *directory {
	t.Helper()
	missing := ""
	for _, name := range []string{"samba", "samba-tool"} {
		if _, err := exec.LookPath(name); err != nil {
			missing = name + " is not on PATH (Debian: samba-ad-dc, samba-ad-provision)"
		}
	}
	if missing == "" && os.Getuid() != 0 {
		missing = "samba makes a domain for the superuser only"
	}
	switch {
	case missing != "" && os.Getenv("CI") == "true":
		t.Fatalf("CI=true demands it: %s", missing)
	case missing != "":
		t.Skip(missing)
	}
	d := &directory{t: t, dir: t.TempDir(), kdc: freeAddress(t), password: freeAddress(t)}
	d.tool("domain", "provision", "--realm="+adRealm, "--domain=CONTOSO", "--server-role=dc", "--dns-backend=NONE", "--adminpass=Adm1n-Pass-word",
		"--targetdir="+d.dir, "--host-name=dc1", "--host-ip=127.0.0.1")
	d.tool("user", "create", "svc-im", "Old-Pass-word-1", "-s", d.conf())
	said := ""
	for range 3 { // another process may take a port before samba does
		if said = d.serve(); said == "" {
			return d
		}
		d.kdc, d.password = freeAddress(t), freeAddress(t)
	}
	t.Fatalf("samba does not listen: %s", said)
	return nil
}

// serve runs the domain until the test ends. It returns what samba has said when it does not listen.
func (d *directory) serve() string {
	port := func(address string) string { _, p, _ := net.SplitHostPort(address); return p }
	server := exec.Command("samba", "-i", "-M", "single", "-s", d.conf(), "--option=server services=kdc", "--option=interfaces=127.0.0.1",
		"--option=bind interfaces only=yes", "--option=krb5 port="+port(d.kdc), "--option=kpasswd port="+port(d.password), "--option=log file="+filepath.Join(d.dir, "log"))
	var out bytes.Buffer
	input, err := server.StdinPipe() // it ends when its input does
	if err != nil {
		d.t.Fatal(err)
	}
	server.Stdout, server.Stderr = &out, &out
	if err := server.Start(); err != nil {
		d.t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { _ = server.Wait(); close(ended) }()
	d.t.Cleanup(func() { _ = input.Close(); _ = server.Process.Kill(); <-ended })
	for end := time.Now().Add(time.Minute); time.Now().Before(end); {
		if conn, err := net.Dial("tcp", d.password); err == nil {
			_ = conn.Close()
			return ""
		}
		select {
		case <-ended:
			return out.String()
		case <-time.After(50 * time.Millisecond):
		}
	}
	return "for a minute"
}

func freeAddress(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().String()
}

func (d *directory) conf() string { return filepath.Join(d.dir, "etc", "smb.conf") }

func (d *directory) tool(args ...string) {
	d.t.Helper()
	if out, err := exec.CommandContext(d.t.Context(), "samba-tool", args...).CombinedOutput(); err != nil {
		d.t.Fatalf("samba-tool %s: %v\n%s", strings.Join(args[:2], " "), err, out)
	}
}

// as signs in with a password, where the password is changed at this address.
func (d *directory) as(password, server string) KerberosConfig {
	d.t.Helper()
	file := filepath.Join(d.t.TempDir(), "krb5.conf")
	text := fmt.Sprintf("[libdefaults]\n default_realm = %[1]s\n dns_lookup_kdc = false\n[realms]\n %[1]s = {\n  kdc = %[2]s\n  kpasswd_server = %[3]s\n }\n", adRealm, d.kdc, server)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		d.t.Fatal(err)
	}
	return KerberosConfig{File: file, User: `CONTOSO\svc-im`, Password: secret.NewString(password)}
}

// takes says whether the domain takes a password.
func (d *directory) takes(password string) bool {
	d.t.Helper()
	k, err := NewKerberos(d.as(password, d.password))
	if err != nil {
		d.t.Fatal(err)
	}
	defer k.Close()
	err = k.logIn()
	if err != nil && !errors.As(err, new(*CredentialError)) {
		d.t.Fatal(err)
	}
	return err == nil
}

// deaf passes a request on and never an answer.
func (d *directory) deaf() string {
	d.t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(func() { _ = ln.Close() })
	go func() {
		for {
			in, err := ln.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", d.password)
			if err != nil {
				_ = in.Close()
				return
			}
			go func() { _, _ = io.Copy(out, in) }()
			_, _ = io.ReadAtLeast(out, make([]byte, 4), 4) // the answer began: it has been done
			_, _ = in.Close(), out.Close()
		}
	}()
	return ln.Addr().String()
}

// An account changes its own password in a real domain, and what became of it is known whatever the answer.
func TestChangePasswordInADomain(t *testing.T) {
	t.Parallel()
	d := startDirectory(t)
	change := func(server, old, next string) (bool, error) {
		return ChangePassword(t.Context(), d.as(old, server), secret.NewString(next))
	}
	unchanged := func(reason string, err error, says string) {
		t.Helper()
		var u *UnchangedError
		if !errors.As(err, &u) || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "Pass-word") {
			t.Errorf("%s: %v", reason, err)
		}
	}
	_, err := change(d.password, "Old-Pass-word-1", "New-Pass-word-2")
	unchanged("the least age of a password is a day", err, "policy")
	var s *ServiceError
	if !errors.As(err, &s) || !strings.Contains(s.Hint(), "least age") {
		t.Errorf("no advice: %v", err)
	}
	d.tool("domain", "passwordsettings", "set", "--min-pwd-age=0", "--history-length=3", "-s", d.conf())
	_, err = change(d.password, "Old-Pass-word-1", "short")
	unchanged("the policy wants a longer one", err, "policy")
	if d.takes("short") || !d.takes("Old-Pass-word-1") {
		t.Fatal("it was changed all the same")
	}
	if was, err := change(d.password, "Old-Pass-word-1", "New-Pass-word-2"); err != nil || was || !d.takes("New-Pass-word-2") {
		t.Fatalf("it was not changed: %v, %v", was, err)
	}
	if was, err := change(d.password, "Old-Pass-word-1", "New-Pass-word-2"); err != nil || !was {
		t.Errorf("a second time: %v, %v", was, err)
	}
	_, err = change(d.password, "Guessed-Pass-word", "Other-Pass-word-9")
	unchanged("somebody else changed it", err, "neither")
	_, err = change(freeAddress(t), "New-Pass-word-2", "New-Pass-word-3")
	unchanged("nobody is there to change it", err, "")
	if was, err := change(d.deaf(), "New-Pass-word-2", "New-Pass-word-3"); err != nil || !was || !d.takes("New-Pass-word-3") {
		t.Errorf("the answer is lost: %v, %v", was, err)
	}
	c := d.as("New-Pass-word-3", d.password)
	text, _ := os.ReadFile(c.File)
	if err := os.WriteFile(c.File, bytes.ReplaceAll(text, []byte(d.kdc), []byte(freeAddress(t))), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = ChangePassword(t.Context(), c, secret.NewString("New-Pass-word-4"))
	unchanged("no KDC", err, "")
}
