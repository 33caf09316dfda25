package codesigning_test

import (
	"strings"
	"testing"

	"meshrotate/providers/rotations/codesigning"
	"meshrotate/specs"
)

const frame = `apiVersion: meshrotate/v1
kind: Deployment
name: contoso-prod
hosts: {admin: im-admin.contoso.example, relays: [relay-1.contoso.example]}
secrets:
  codeSigning:
`

func TestSection(t *testing.T) {
	pasted := "\u200e" + strings.ToLower(strings.TrimSuffix(strings.ReplaceAll(oldOne, "41C0", "41 c0:"), ":"))
	for _, c := range []struct{ section, says string }{
		{"thumbprints: [{sha1: " + oldOne + "}]", ""},
		{"thumbprints: [{sha1: \"" + pasted + "\", retireAfter: \"2027-01-15\"}, {sha1: " + nextOne + ", use: signing}]", ""},
		{"thumbprints: []", "thumbprints"},
		{"thumbprints: [{use: signing}]", "sha1"},
		{"thumbprints: [{sha1: " + oldOne + "}, {sha1: \"" + pasted + "\"}]", "there twice"},
		{"thumbprints: [{sha1: " + strings.Repeat("41C0", 16) + "}]", "SHA-256"},
		{"thumbprints: [{sha1: " + oldOne + ", use: build}]", "use"},
		{"thumbprints: [{sha1: " + oldOne + ", use: signing}, {sha1: " + nextOne + ", use: signing}]", "two certificates"},
		{"thumbprints: [{sha1: " + oldOne + ", use: signing, retireAfter: \"2027-01-15\"}]", "to be retired"},
		{"thumbprints: [{sha1: " + oldOne + ", retireAfter: \"2027-02-30\"}]", "no day"},
		{"{thumbprints: [{sha1: " + oldOne + "}], setting: \"Relay::X\"}", "between colons"},
		{"{thumbprints: [{sha1: " + oldOne + "}], connectors: {folder: connectors}}", "path"},
		{"{thumbprints: [{sha1: " + oldOne + "}], connectors: {none: [relay-1.contoso.example]}}", ""},
		{"{thumbprints: [{sha1: " + oldOne + "}], connectors: {none: [\"relay-[1..2].contoso.example\"]}}", "relay-2.contoso.example is not one of the relays"},
		{"{thumbprints: [{sha1: " + oldOne + "}], connectors: {none: [\"relay-[2..1].contoso.example\"]}}", "connectors"},
	} {
		text := frame
		if strings.HasPrefix(c.section, "{") {
			text = strings.TrimSuffix(text, "\n") + " " + c.section
		} else {
			text += "    " + c.section
		}
		d, err := specs.Load("meshrotate.yaml", []byte(text+"\n"), []specs.Section{codesigning.Kind().Section})
		switch {
		case c.says == "" && err != nil:
			t.Errorf("%s: %v", c.section, err)
		case c.says == "":
			if s := d.Secrets["codeSigning"].(*codesigning.Spec); string(s.Thumbprints[0].SHA1) != oldOne || s.Setting != "Relay:AcceptedThumbprints" || s.Connectors.Suffix != ".dll" || s.Connectors.Folder == "" {
				t.Errorf("%s: %+v", c.section, s)
			}
		case err == nil || !strings.Contains(err.Error(), c.says):
			t.Errorf("%s: not refused with %q: %v", c.section, c.says, err)
		}
	}
}

func TestBuildHostSection(t *testing.T) {
	const hosts, host, rest = "relays: [relay-1.contoso.example]", ", build: build-1.contoso.example", `script: 'C:\b\build.cmd', artifacts: {folder: 'C:\b\out'}`
	for _, c := range []struct{ build, thumbprint, section, says string }{
		{host, ", use: signing", "{" + rest + "}", ""},
		{host, ", use: signing", "{" + rest + ", pfx: {file: next.pfx}, password: {env: PFX}}", ""},
		{host, ", use: signing", "{" + rest + ", pfx: {file: next.pfx}, password: {file: pfx.age}, store: 'CurrentUser\\My', pin: environment, variable: THUMB, timeout: 2h}", ""},
		{"", ", use: signing", "{" + rest + "}", "no build host"},
		{host, "", "{" + rest + "}", "is not said"},
		{host, ", use: signing", "{" + rest + ", pfx: {file: next.pfx}}", "go together"},
		{host, ", use: signing", "{" + rest + ", pfx: generated, password: {env: PFX}}", "cannot be generated"},
		{host, ", use: signing", "{" + rest + ", pfx: {file: next.pfx}, password: {file: password.txt}}", "committed with it"},
		{host, ", use: signing", `{script: 'C:\b\build.ps1', artifacts: {folder: 'C:\b\out'}}`, "cmd.exe"},
		{host, ", use: signing", `{script: 'C:\b\a&b.cmd', artifacts: {folder: 'C:\b\out'}}`, "cmd.exe"},
		{host, ", use: signing", `{script: build.cmd, artifacts: {folder: 'C:\b\out'}}`, "full path"},
		{host, ", use: signing", `{script: 'C:\b\build.cmd', artifacts: {folder: out}}`, "full path"},
		{host, ", use: signing", "{" + rest + ", variable: 'A B'}", "variable"},
		{host, ", use: signing", "{" + rest + ", store: 'LocalMachine\\Root'}", "store"},
	} {
		text := strings.Replace(frame, hosts, hosts+c.build, 1)
		text += "    thumbprints: [{sha1: " + nextOne + c.thumbprint + "}]\n    buildHost: " + c.section + "\n"
		d, err := specs.Load("meshrotate.yaml", []byte(text), []specs.Section{codesigning.Kind().Section})
		switch {
		case c.says == "" && err != nil:
			t.Errorf("%s: %v", c.section, err)
		case c.says == "":
			if b := d.Secrets["codeSigning"].(*codesigning.Spec).BuildHost; b.Artifacts.Suffix != ".dll" || b.Variable == "" || b.Store == "" || b.Timeout.IsZero() {
				t.Errorf("%s: %+v", c.section, b)
			}
		case err == nil || !strings.Contains(err.Error(), c.says):
			t.Errorf("%s: not refused with %q: %v", c.section, c.says, err)
		}
	}
}
