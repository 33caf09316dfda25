package negotiate_test

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// kdc is MIT's Kerberos server (Debian: krb5-kdc, krb5-admin-server, krb5-user) on loopback, with its own database.
type kdc struct {
	t        *testing.T
	dir      string
	conf     string // krb5.conf
	addr     string
	ahead    time.Duration // of our clock, with faketime
	stop     func()
	programs map[string]string
}

const realm = "CONTOSO.TEST"

// startKDC skips the test where the programs are not installed, and fails it there when CI is "true".
func startKDC(t *testing.T) *kdc {
	t.Helper()
	k := &kdc{t: t, dir: t.TempDir(), programs: map[string]string{}}
	for _, name := range []string{"krb5kdc", "kadmin.local", "kdb5_util", "kinit"} {
		path, err := exec.LookPath(name)
		if err != nil { // Debian keeps them where a user's PATH does not look
			path, err = exec.LookPath("/usr/sbin/" + name)
		}
		if err != nil {
			if os.Getenv("CI") == "true" {
				t.Fatalf("CI needs %s (Debian: krb5-kdc krb5-admin-server krb5-user)", name)
			}
			t.Skipf("%s is not installed (Debian: krb5-kdc krb5-admin-server krb5-user)", name)
		}
		k.programs[name] = path
	}
	addr := freePort(t)
	k.addr = addr
	k.conf = k.write("krb5.conf", fmt.Sprintf(`[libdefaults]
 default_realm = %[1]s
 dns_lookup_kdc = false
 dns_lookup_realm = false
 rdns = false
 udp_preference_limit = 1
[realms]
 %[1]s = {
  kdc = %[2]s
 }
[domain_realm]
 .contoso.test = %[1]s
`, realm, addr))
	k.write("kdc.conf", fmt.Sprintf(`[kdcdefaults]
 kdc_listen = %[2]s
 kdc_tcp_listen = %[2]s
[realms]
 %[1]s = {
  database_name = %[3]s/principal
  key_stash_file = %[3]s/stash
  acl_file = %[3]s/acl
  supported_enctypes = aes256-cts-hmac-sha1-96:normal aes128-cts-hmac-sha1-96:normal
  default_principal_flags = +preauth
  max_life = 10h
  max_renewable_life = 1d
 }
[logging]
 kdc = FILE:%[3]s/kdc.log
`, realm, addr, k.dir))
	k.run("kdb5_util", "create", "-s", "-r", realm, "-P", "master-key-of-a-test")
	k.start()
	return k
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func (k *kdc) write(name, text string) string {
	k.t.Helper()
	path := filepath.Join(k.dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		k.t.Fatal(err)
	}
	return path
}

func (k *kdc) command(name string, args ...string) *exec.Cmd {
	c := exec.Command(k.programs[name], args...)
	c.Env = append(os.Environ(), "KRB5_CONFIG="+k.dir+"/krb5.conf", "KRB5_KDC_PROFILE="+k.dir+"/kdc.conf", "LC_ALL=C")
	return c
}

func (k *kdc) run(name string, args ...string) {
	k.t.Helper()
	if out, err := k.command(name, args...).CombinedOutput(); err != nil {
		k.t.Fatalf("%s: %v\n%s", name, err, out)
	}
}

// start lets it listen, again after stop.
func (k *kdc) start() {
	k.t.Helper()
	addr := k.addr
	server := k.command("krb5kdc", "-n", "-r", realm, "-P", k.dir+"/pid")
	if k.ahead != 0 { // by the library alone: its program would stay between us and the KDC that is to be killed
		server.Env = append(server.Env, "LD_PRELOAD="+k.programs["libfaketime"], fmt.Sprintf("FAKETIME=%+ds", int(k.ahead.Seconds())))
	}
	var out bytes.Buffer
	server.Stdout, server.Stderr = &out, &out
	if err := server.Start(); err != nil {
		k.t.Fatal(err)
	}
	k.stop = sync.OnceFunc(func() {
		_ = server.Process.Kill()
		_ = server.Wait()
	})
	k.t.Cleanup(k.stop)
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(25 * time.Millisecond) {
		if conn, err := net.Dial("tcp", addr); err == nil {
			_ = conn.Close()
			return
		}
	}
	k.stop()
	k.t.Fatalf("krb5kdc does not listen: %s", &out)
}

// add makes a principal with a password, or with random keys in a keytab, whose path is returned.
func (k *kdc) add(principal, password string) (keytab string) {
	k.t.Helper()
	if password != "" {
		k.run("kadmin.local", "-r", realm, "addprinc", "-pw", password, principal)
		return ""
	}
	keytab = filepath.Join(k.dir, strings.ReplaceAll(principal, "/", "_")+".keytab")
	k.run("kadmin.local", "-r", realm, "addprinc", "-randkey", principal)
	k.run("kadmin.local", "-r", realm, "ktadd", "-k", keytab, principal)
	return keytab
}

// rekey gives a principal new keys, which a keytab made before does not hold.
func (k *kdc) rekey(principal string) {
	k.t.Helper()
	k.run("kadmin.local", "-r", realm, "cpw", "-randkey", principal)
}

// cache logs a principal in with kinit.
func (k *kdc) cache(principal, keytab string, more ...string) string {
	k.t.Helper()
	path := filepath.Join(k.dir, "cache")
	k.run("kinit", append(more, "-k", "-t", keytab, "-c", "FILE:"+path, principal)...)
	return path
}

// count is how often a text stands in the KDC's log.
func (k *kdc) count(line string) int {
	k.t.Helper()
	text, err := os.ReadFile(filepath.Join(k.dir, "kdc.log"))
	if err != nil {
		k.t.Fatal(err)
	}
	return strings.Count(string(text), line)
}
