package signed_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-git/go-git/v5/plumbing"

	"meshrotate/specs"
	"meshrotate/specs/signed"
)

// desk is a person's machine: a repository, gpg and ssh-keygen with keys.
type desk struct {
	t   *testing.T
	dir string
	env []string
}

func newDesk(t *testing.T, programs ...string) *desk {
	t.Helper()
	for _, program := range append(programs, "git") {
		if _, err := exec.LookPath(program); err != nil {
			if os.Getenv("CI") == "true" {
				t.Fatal(err)
			}
			t.Skipf("skipped: %v", err)
		}
	}
	home, err := os.MkdirTemp("", "gpg") // short, for the agent's socket
	must(t, err)
	d := &desk{t: t, dir: t.TempDir()}
	d.env = append(os.Environ(), "GNUPGHOME="+home, "HOME="+home, "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null",
		"GIT_AUTHOR_NAME=Ada", "GIT_AUTHOR_EMAIL=ada@contoso.example", "GIT_COMMITTER_NAME=Ada", "GIT_COMMITTER_EMAIL=ada@contoso.example")
	t.Cleanup(func() {
		kill := exec.Command("gpgconf", "--kill", "gpg-agent")
		kill.Env = d.env
		_ = kill.Run() // there may be none
		_ = os.RemoveAll(home)
	})
	d.run("git", "init", "-q", "-b", "main")
	return d
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (d *desk) run(name string, args ...string) string {
	d.t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Dir, cmd.Env = d.dir, d.env
	out, err := cmd.CombinedOutput()
	if err != nil {
		d.t.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
	return strings.TrimSpace(string(out))
}

// commit commits with git and returns the hash.
func (d *desk) commit(args ...string) string {
	d.t.Helper()
	d.run("git", append(append(configs(args), "commit", "-q", "--allow-empty", "-m", "rotate"), flags(args)...)...)
	return d.run("git", "rev-parse", "HEAD")
}

// configs and flags take apart what stands before and after "commit".
func configs(args []string) (all []string) {
	for _, a := range args {
		if strings.Contains(a, "=") {
			all = append(all, "-c", a)
		}
	}
	return all
}

func flags(args []string) (all []string) {
	for _, a := range args {
		if !strings.Contains(a, "=") {
			all = append(all, a)
		}
	}
	return all
}

// pgp makes a key and returns its fingerprint.
func (d *desk) pgp(name, expires string, more ...string) string {
	d.t.Helper()
	d.run("gpg", append(more, "--batch", "--passphrase", "", "--quick-gen-key", name+" <"+name+"@contoso.example>", "ed25519", "sign", expires)...)
	for _, line := range strings.Split(d.run("gpg", "--with-colons", "--list-keys", name), "\n") {
		if f := strings.Split(line, ":"); f[0] == "fpr" {
			return f[9]
		}
	}
	d.t.Fatal("gpg made no key")
	return ""
}

// ssh makes a key and returns its public line, and how git signs with it.
func (d *desk) ssh(name string) (public string, config []string) {
	d.t.Helper()
	d.run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", name)
	data, err := os.ReadFile(filepath.Join(d.dir, name+".pub"))
	must(d.t, err)
	return strings.TrimSpace(string(data)), []string{"gpg.format=ssh", "user.signingkey=" + filepath.Join(d.dir, name), "-S"}
}

// verify says who signed a commit, or why nobody who counts.
func (d *desk) verify(hash string, files ...string) (string, error) {
	d.t.Helper()
	commit, err := specs.Git{Repo: d.dir, Ref: hash, Exact: true}.Commit(context.Background())
	must(d.t, err)
	var s signed.Signers
	for _, f := range files {
		must(d.t, s.Add("signers", []byte(f)))
	}
	return s.Commit(commit, time.Now())
}

// expect compares the outcome of verify: who, or words of the error.
func (d *desk) expect(reason, hash, says string, files ...string) {
	d.t.Helper()
	who, err := d.verify(hash, files...)
	if name, good := strings.CutPrefix(says, "by "); good {
		if err != nil || !strings.Contains(who, name) {
			d.t.Errorf("%s: %q, %v", reason, who, err)
		}
		return
	}
	if err == nil || who != "" || !strings.Contains(err.Error(), says) || !strings.Contains(err.Error(), hash[:7]) {
		d.t.Errorf("%s: %q, %v, want %q", reason, who, err, says)
	}
}

func TestOpenPGP(t *testing.T) {
	d := newDesk(t, "gpg")
	ada, eve := d.pgp("ada", "never"), d.pgp("eve", "never")
	past := d.pgp("past", "2020-06-01", "--faked-system-time", "20200101T000000")
	lost := d.pgp("lost", "never")
	export := func(keys ...string) string { return d.run("gpg", append([]string{"--armor", "--export"}, keys...)...) }
	by := func(key string) []string { return []string{"user.signingkey=" + key, "-S"} }

	plain, good := d.commit(), d.commit(by(ada)...)
	d.expect("no signature", plain, "is not signed", export(ada))
	d.expect("a trusted key", good, "by ada <ada@contoso.example> ("+ada, export(ada, eve))
	d.expect("two files", good, "by ada", export(eve), export(ada))
	d.expect("another's key", d.commit(by(eve)...), "OpenPGP key "+eve+", which is no trusted signer's", export(ada))
	d.expect("nobody is trusted", good, "which is no trusted signer's")

	wrapper := filepath.Join(d.dir, "gpg-of-2020")
	must(t, os.WriteFile(wrapper, []byte("#!/bin/sh\nexec gpg --faked-system-time 20200201T000000 \"$@\"\n"), 0o700))
	d.expect("a key that has expired, at a time when it had not", d.commit(append(by(past), "gpg.program="+wrapper)...), "OpenPGP key "+past+", which has expired", export(past))

	revoked := d.commit(by(lost)...)
	before := export(lost)
	d.expect("a key before it was revoked", revoked, "by lost", before)
	home := ""
	for _, e := range d.env {
		if v, found := strings.CutPrefix(e, "GNUPGHOME="); found {
			home = v
		}
	}
	certificate, err := os.ReadFile(filepath.Join(home, "openpgp-revocs.d", lost+".rev"))
	must(t, err)
	must(t, os.WriteFile(filepath.Join(d.dir, "rev"), []byte(strings.Replace(string(certificate), ":-----BEGIN", "-----BEGIN", 1)), 0o600))
	d.run("gpg", "--import", "rev")
	d.expect("a key that was revoked since", revoked, "OpenPGP key "+lost+", which was revoked", export(lost))
	d.expect("and stands there as it was before, too", revoked, "OpenPGP key "+lost+", which was revoked", before, export(lost))
	d.expect("in another order", revoked, "OpenPGP key "+lost+", which was revoked", export(lost), before)

	d.run("git", "-c", "user.signingkey="+ada, "tag", "-s", "-m", "release", "v1", plain)
	d.expect("a signature on the tag only", plain, "is not signed", export(ada))

	body := d.run("git", "cat-file", "commit", good)
	must(t, os.WriteFile(filepath.Join(d.dir, "forged"), []byte(strings.Replace(body, "\n\nrotate", "\n\nrotated", 1)+"\n"), 0o600))
	d.expect("a changed commit", d.run("git", "hash-object", "-t", "commit", "-w", "forged"), "is not what was signed", export(ada))

	weak := filepath.Join(d.dir, "gpg-of-long-ago")
	must(t, os.WriteFile(weak, []byte("#!/bin/sh\nexec gpg --digest-algo SHA1 \"$@\"\n"), 0o700))
	d.expect("a signature over SHA-1", d.commit(append(by(ada), "gpg.program="+weak)...), "over SHA-1", export(ada))

	var s signed.Signers
	if err := s.Add("keys", []byte(d.run("gpg", "--batch", "--passphrase", "", "--armor", "--export-secret-keys", ada))); err == nil {
		t.Error("a private key was taken for a public one")
	}
}

func TestSSH(t *testing.T) {
	d := newDesk(t, "ssh-keygen")
	key, ada := d.ssh("ada")
	other, eve := d.ssh("eve")
	good := d.commit(ada...)
	line := func(options string) string { return "# who may\n\nada@contoso.example " + options + key + "\n" }
	d.expect("a trusted key", good, "by ada@contoso.example (SHA256:", line(""))
	d.expect("git's namespace", good, "by ada", line(`namespaces="file,git" `))
	d.expect("another namespace", good, "may not sign commits", line(`namespaces="file" `))
	d.expect("a tab", good, "by ada", strings.Replace(line(""), " ", "\t", 1))
	d.expect("valid", good, "by ada", line(`valid-after="20200101",valid-before="29990101Z" `))
	d.expect("not valid any more", good, "which has expired", line(`valid-before="20200101" `))
	d.expect("not valid yet", good, "not valid yet", line(`valid-after="299901010000Z" `))
	d.expect("a second line for the key", good, "by ada", line(`valid-before="20200101" `)+line(""))
	d.expect("another's key", d.commit(eve...), "SSH key ssh-ed25519 SHA256:", line(""))
	d.expect("another's key, trusted", d.commit(eve...), "by eve", line(""), "eve "+other)

	authority, _ := d.ssh("authority")
	d.run("ssh-keygen", "-q", "-s", "authority", "-I", "ada", "-n", "ada@contoso.example", "ada.pub")
	certified := d.commit("gpg.format=ssh", "user.signingkey="+filepath.Join(d.dir, "ada-cert.pub"), "-S")
	d.expect("a key beside an authority", good, "by ada", "*@contoso.example cert-authority "+authority+"\n"+line(""))
	d.expect("a certificate of the authority", certified, "cert-authority are passed over here", "*@contoso.example cert-authority "+authority+"\n"+line(""))
	d.expect("the authority's own key", d.commit("gpg.format=ssh", "user.signingkey="+filepath.Join(d.dir, "authority"), "-S"), "no trusted signer's", "ada cert-authority "+authority+"\n"+line(""))

	body := d.run("git", "cat-file", "commit", d.commit())
	must(t, os.WriteFile(filepath.Join(d.dir, "body"), []byte(body+"\n"), 0o600))
	d.run("ssh-keygen", "-q", "-Y", "sign", "-n", "file", "-f", "ada", "body")
	signature, err := os.ReadFile(filepath.Join(d.dir, "body.sig"))
	must(t, err)
	header := "gpgsig " + strings.ReplaceAll(strings.TrimSpace(string(signature)), "\n", "\n ")
	must(t, os.WriteFile(filepath.Join(d.dir, "forged"), []byte(strings.Replace(body, "\n\n", "\n"+header+"\n\n", 1)+"\n"), 0o600))
	d.expect("a signature that was made for a file", d.run("git", "hash-object", "-t", "commit", "-w", "forged"), "namespace does not match", line(""))

	d.run("git", "checkout", "-q", "-b", "request")
	d.commit()
	d.run("git", "checkout", "-q", "main")
	merge := func(branch string) string {
		d.run("git", append(append(configs(ada), "merge", "-q", "--no-ff", "-m", "merge", branch), "-S")...)
		return d.run("git", "rev-parse", "HEAD")
	}
	d.commit(ada...)
	d.expect("a signed merge of what nobody signed", merge("request"), "merges, commit", line(""))
	d.run("git", "checkout", "-q", "-b", "signed")
	d.commit(ada...)
	d.run("git", "checkout", "-q", "main")
	d.commit(ada...)
	d.expect("a signed merge of what was signed", merge("signed"), "by ada@contoso.example", line(""))

	// As a forge's button does: what is asked for is brought up to date by somebody who counts, and then merged by them.
	d.run("git", "checkout", "-q", "-b", "theirs", good)
	theirs := d.commit()
	merge("main")
	d.run("git", "checkout", "-q", "main")
	whole := merge("theirs")
	if _, err := d.verify(whole, line("")); err == nil || !strings.Contains(err.Error(), "commit "+theirs[:7]+" is not signed") {
		t.Errorf("what is below a signed merge: %v", err)
	}
	d.run("git", "clone", "-q", "--depth", "1", "--branch", "main", "file://"+d.dir, "shallow")
	far := *d
	far.dir = filepath.Join(d.dir, "shallow")
	if _, err := far.verify(whole, line("")); !errors.Is(err, plumbing.ErrObjectNotFound) {
		t.Errorf("a shallow clone: %v", err)
	}

	for _, bad := range []string{"", "# nothing\n", "ada " + strings.Fields(key)[0] + " AAAA", "ada cert-authority " + key + "\n# and nobody else\n", `ada valid-before="soon" ` + key, "ada verify-required " + key} {
		var s signed.Signers
		if err := s.Add("allowed", []byte(bad)); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}
