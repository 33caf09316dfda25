package examples_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"meshrotate/providers"
	"meshrotate/providers/lab/labcli"
	"meshrotate/reconciler/cli"
	"meshrotate/specs"
	"meshrotate/specs/trust"
)

const readme = "../README.md"

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return strings.ReplaceAll(string(b), "\r\n", "\n")
}

func pipelines(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("pipelines/*")
	if err != nil || len(files) == 0 {
		t.Fatalf("no pipeline was found: %v", err)
	}
	// A timer runs nothing itself, and who makes the ticket runs what the unit or the task gives it.
	return slices.DeleteFunc(files, func(f string) bool { return strings.HasSuffix(f, ".timer") || strings.Contains(f, "/drift-ticket.") })
}

// TestDocumentInReadme loads the document that the README shows.
func TestDocumentInReadme(t *testing.T) {
	blocks := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(read(t, readme), -1)
	if len(blocks) == 0 {
		t.Fatal("the README shows no document")
	}
	for _, b := range blocks {
		if _, err := specs.Load("README.md", []byte(b[1]), providers.Sections()); err != nil {
			t.Error(err)
		}
	}
}

// TestStoresInReadme loads the stores that the README shows, and what comes from them.
func TestStoresInReadme(t *testing.T) {
	block := regexp.MustCompile("(?s)```text\nconnect:\n  stores:\n(.*?)secrets:\n(.*?)```").FindStringSubmatch(read(t, readme))
	if block == nil {
		t.Fatal("the README shows no stores")
	}
	text := "apiVersion: meshrotate/v1\nkind: Deployment\nname: contoso\nhosts: {admin: im-admin}\nconnect:\n  sql: {server: sql01, user: r, password: {store: op, path: a}}\n  stores:\n" +
		block[1] + "secrets:\n" + block[2]
	if _, err := specs.Load("README.md", []byte(text), providers.Sections()); err != nil {
		t.Error(err)
	}
}

// TestStoresExample: the operator's file of the example allows all that its document says, and without a line of it not.
func TestStoresExample(t *testing.T) {
	loader := specs.Loader{Sections: providers.Sections()}
	bind := func(operator string) []specs.Doubt {
		d, err := loader.LoadFile("stores/contoso.yaml")
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(t.TempDir(), "operator.yaml")
		if err := os.WriteFile(file, []byte(operator), 0o600); err != nil {
			t.Fatal(err)
		}
		o, err := trust.LoadOperator(file, "")
		if err != nil {
			t.Fatal(err)
		}
		if d, err = trust.Bind(loader, d, trust.Side{Operator: o}); err != nil {
			t.Fatal(err)
		}
		return d.Origin.Doubts
	}
	agreed := read(t, "stores/operator.yaml")
	for _, doubt := range bind(agreed) {
		t.Error(doubt.Text)
	}
	for taken, path := range map[string]string{"corp/im/*, ": "secrets.license.from", `"corp/im/relay#apiKey"`: "secrets.relayKey.keep", ", https://contoso-im.vault.azure.net": "connect.stores.azure.keyVault.url",
		"AWS_REGION, ": "connect.stores.aws.exec.env", "  - /usr/bin/op\n": "connect.stores.op.exec.program", "im-rotation, ": "connect.stores.corp.vault.kubernetes.role"} {
		if doubts := bind(strings.Replace(agreed, taken, "", 1)); len(doubts) != 1 || doubts[0].Path != path {
			t.Errorf("without %q: %+v", taken, doubts)
		}
	}
}

// TestOperatorInReadme loads the operator's file that the README shows.
func TestOperatorInReadme(t *testing.T) {
	block := regexp.MustCompile("(?s)```text\n([^`]*kind: Operator\n.*?)```").FindStringSubmatch(read(t, readme))
	if block == nil {
		t.Fatal("the README shows no operator's file")
	}
	file := filepath.Join(t.TempDir(), "operator.yaml")
	if err := os.WriteFile(file, []byte(block[1]), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := trust.LoadOperator(file, ""); err != nil {
		t.Error(err)
	}
}

// TestPipelinesAreYAML reads the pipelines as YAML: nothing here can run them.
func TestPipelinesAreYAML(t *testing.T) {
	for _, file := range pipelines(t) {
		if !strings.HasSuffix(file, ".yml") {
			continue
		}
		var root map[string]any
		if err := yaml.Unmarshal([]byte(read(t, file)), &root); err != nil {
			t.Errorf("%s: %v", file, err)
		}
		if root["jobs"] == nil && root["stages"] == nil {
			t.Errorf("%s has no jobs", file)
		}
	}
}

// TestCommandsExist looks up every command line that is shown, and its flags, in the program's help.
func TestCommandsExist(t *testing.T) {
	command := regexp.MustCompile("meshrotate ([a-z]+)((?: +[^\\s`|&;>)]+)*)")
	flag := regexp.MustCompile(`(?:^| )(--[a-z-]+|-[a-z])\b`)
	help := map[string]string{}
	for _, file := range append(pipelines(t), readme) {
		shown := 0
		text := strings.ReplaceAll(read(t, file), `meshrotate.exe" `, "meshrotate ") // of a task
		for line := range strings.Lines(text) {
			if strings.HasPrefix(strings.TrimSpace(line), "#") || strings.HasPrefix(strings.TrimSpace(line), "//") {
				continue // prose
			}
			line, _, _ = strings.Cut(line, "  #")
			for _, m := range command.FindAllStringSubmatch(line, -1) {
				verb := m[1]
				if !strings.Contains(verbs(t, help), "\n  "+verb+" ") {
					continue // prose
				}
				shown++
				for _, f := range flag.FindAllStringSubmatch(m[2], -1) {
					if !regexp.MustCompile(`[ ,]` + regexp.QuoteMeta(f[1]) + `[ ,]`).MatchString(helpOf(t, help, verb)) {
						t.Errorf("%s: %s: %s has no flag %s", file, strings.TrimSpace(m[0]), verb, f[1])
					}
				}
			}
		}
		if shown == 0 {
			t.Errorf("%s shows no command", file)
		}
	}
}

func verbs(t *testing.T, help map[string]string) string { return helpOf(t, help, "") }

// helpOf is the help of a verb, of the program for "".
func helpOf(t *testing.T, known map[string]string, verb string) string {
	t.Helper()
	if _, ok := known[verb]; !ok {
		args := []string{"--help"}
		if verb != "" {
			args = []string{verb, "--help"}
		}
		var out bytes.Buffer
		app := func(func(string) (string, bool)) cli.App { return cli.App{Kinds: providers.Kinds()} }
		program := app(nil)
		program.Commands = labcli.Commands(app)
		program.OpenValues = func(context.Context, *specs.Deployment) (cli.Values, error) { return nil, nil }
		if code := cli.Main(t.Context(), args, cli.Stdio{Out: &out}, program); code != cli.ExitOK {
			t.Fatalf("%v ended with %d", args, code)
		}
		known[verb] = out.String()
	}
	return known[verb]
}

// TestReadmePaths looks for every folder and file that the README names.
func TestReadmePaths(t *testing.T) {
	for _, m := range regexp.MustCompile("`((?:\\.ci|specs|reconciler|state|providers|examples)/[A-Za-z0-9_./-]*)`").FindAllStringSubmatch(read(t, readme), -1) {
		if _, err := os.Stat(filepath.Join("..", m[1])); err != nil {
			t.Error(err)
		}
	}
}
