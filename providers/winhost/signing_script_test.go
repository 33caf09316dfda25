package winhost_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The key of a PFX is kept where nobody takes it out again. Neither Linux nor Wine enforces that, so what Windows is asked for is looked at.
func TestKeyIsNotExportable(t *testing.T) {
	const collection = `[Security.Cryptography.X509Certificates.X509Certificate2Collection]::new()`
	open := functionOf(t, "Open-Pfx")
	if !strings.Contains(open, collection) {
		t.Fatal("Open-Pfx opens it otherwise")
	}
	var b strings.Builder
	b.WriteString(`class Certificate { [string]$Thumbprint = 'A1'; [bool]$HasPrivateKey = $true; [string]$Subject = 'x'; [string]$Issuer = 'x' }
class Collection : Collections.ArrayList { [void] Import([byte[]]$pfx, [string]$password, [Security.Cryptography.X509Certificates.X509KeyStorageFlags]$flags) { [Console]::WriteLine($flags); [void]$this.Add([Certificate]::new()) } }
$global:added = $false
function Get-StoredCertificates($store) { if ($global:added) { @{ sha1 = 'A1'; hasKey = $true } } }
function Add-Certificate($store, $c) { $global:added = $true }
function New-Result($code, $message) { [Console]::WriteLine($code); @{ code = $code } }
`)
	for _, f := range []string{"Find-Certificate", "Get-HostKeyPlace", "Invoke-CertificateImport"} {
		b.WriteString(oneLiner(t, f) + "\n")
	}
	b.WriteString(strings.Replace(open, collection, "[Collection]::new()", 1) + "\n")
	for _, store := range []string{`LocalMachine\My`, `CurrentUser\My`} {
		fmt.Fprintf(&b, "$global:added = $false; [void](Invoke-CertificateImport @{ store = %s; sha1 = 'A1' } ([byte[]]::new(8)))\n", quoted(store))
	}
	got := runs(t, b.String())
	want := []string{"DefaultKeySet", "MachineKeySet, PersistKeySet", "ok", "DefaultKeySet", "UserKeySet, PersistKeySet", "ok"}
	if strings.Join(got, "; ") != strings.Join(want, "; ") {
		t.Errorf("%q, want %q", got, want)
	}
}

// Of files that are alike, the signature is looked at once in a process.
func TestSignaturesOnceByHash(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"a.dll": "one", "b.dll": "one", "c.dll": "two"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var b strings.Builder
	b.WriteString(`$sha = [Security.Cryptography.SHA256]::Create(); $signatures = @{}; $global:looked = 0
function Open-Shared($path) { [IO.File]::OpenRead($path) }
function Get-Hex([byte[]]$bytes) { [BitConverter]::ToString($bytes).Replace('-', '') }
function Get-Signature($path, $f) { $global:looked++; @{ trust = 7; signers = @($global:looked) } }
` + functionOf(t, "Get-SignedFile") + "\n")
	for _, name := range []string{"a.dll", "b.dll", "c.dll"} {
		fmt.Fprintf(&b, "$s = Get-SignedFile %s; '' + $s.name + ' ' + $s.signers[0] + ' ' + $s.error\n", quoted(filepath.Join(dir, name)))
	}
	if got, want := strings.Join(runs(t, b.String()), "; "), "a.dll 1 0; b.dll 1 0; c.dll 2 0"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// oneLiner is a function of the host script, be it on one line.
func oneLiner(t *testing.T, name string) string {
	t.Helper()
	script, err := os.ReadFile("host.ps1")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(script)) {
		if strings.HasPrefix(line, "function "+name) && strings.HasSuffix(strings.TrimSpace(line), "}") {
			return line
		}
	}
	return functionOf(t, name)
}
