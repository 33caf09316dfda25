package winhost_test

import (
	"bufio"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"meshrotate/providers/winhost"
	"meshrotate/providers/winhost/process"
	"meshrotate/providers/winhost/winhosttest"
	"meshrotate/reconciler/secret"
)

// windowsPath is a file of this machine as Wine names it.
func windowsPath(file string) string { return "Z:" + strings.ReplaceAll(file, "/", `\`) }

// wine runs a Windows program in the world of pwsh-windows. While that world comes up or goes down, for another test's
// sake, Wine may not be able to start it: then it is started again.
func wine(t *testing.T, engine string, args ...string) (string, error) {
	t.Helper()
	for end := time.Now().Add(time.Minute); ; time.Sleep(100 * time.Millisecond) {
		cmd := exec.CommandContext(t.Context(), "bash", append([]string{"-c", `eval "$("$0" --env)" && exec wine "$@"`, engine}, args...)...)
		out, err := cmd.CombinedOutput()
		if err == nil || !strings.Contains(string(out), "ShellExecuteEx failed") || time.Now().After(end) {
			return string(out), err
		}
	}
}

// keep starts what keeps Wine's service manager alive.
func keep(t *testing.T, engine string) {
	cmd := exec.Command("bash", "-c", `eval "$("$0" --env)" && exec wine 'C:\svc\keeper.exe'`, engine)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	// The first program brings up Wine's server, which would hold the pipe of its output open: let it be one without.
	var err error
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		if err = exec.CommandContext(t.Context(), "bash", "-c", `eval "$("$0" --env)" && exec wine net start`, engine).Run(); err == nil {
			return
		}
	}
	t.Fatalf("wine's service manager does not answer: %v", err)
}

// install makes the services and the environments that the table needs, and removes them after it.
func install(t *testing.T, engine string) {
	must := func(args ...string) {
		t.Helper()
		if out, err := wine(t, engine, args...); err != nil {
			t.Fatalf("wine %s: %v\n%s", args[0], err, out)
		}
	}
	const registered = `HKLM\SYSTEM\CurrentControlSet\Services\`
	const environment = `HKLM\SYSTEM\CurrentControlSet\Control\Session Manager\Environment`
	keep(t, engine)
	service := func(name, line, start string, more ...string) {
		_, _ = wine(t, engine, "sc.exe", "delete", name)
		must(append([]string{"sc.exe", "create", name, "binPath=", line, "start=", start}, more...)...)
		t.Cleanup(func() {
			_, _ = wineAfter(engine, "sc.exe", "stop", name)
			_, _ = wineAfter(engine, "sc.exe", "delete", name)
		})
	}
	service(winhosttest.QuickService, `C:\svc\service.exe mr-quick 40 40`, "demand")
	service(winhosttest.ChildService, `C:\svc\service.exe mr-child 40 40`, "demand", "depend=", winhosttest.QuickService)
	service(winhosttest.SlowService, `C:\svc\service.exe mr-slow 1200 4000`, "demand")
	service(winhosttest.RefusesService, `C:\svc\args.exe`, "demand")
	service(winhosttest.BlankService, `C:\svc\mr blank\service.exe mr-blank`, "demand")
	service(winhosttest.DisabledService, `C:\svc\service.exe mr-disabled 40 40`, "disabled")
	service(winhosttest.WrappedService, `C:\svc\service.exe mr-wrapped`, "demand")
	described := t.TempDir()
	if err := os.WriteFile(filepath.Join(described, "winsw.xml"), []byte(winhosttest.Description), 0o644); err != nil {
		t.Fatal(err)
	}
	service(winhosttest.DescribedService, windowsPath(described)+`\winsw.exe mr-described`, "demand")
	block := func(variables map[string]string) string {
		var all []string
		for name, value := range variables {
			all = append(all, name+"="+value)
		}
		return strings.Join(all, `\0`)
	}
	must("reg", "add", registered+winhosttest.QuickService, "/v", "Environment", "/t", "REG_MULTI_SZ", "/d", block(winhosttest.ServiceEnvironment), "/f")
	for name, value := range map[string]string{"Application": `C:\app\app.exe`, "AppParameters": `--one "two three"`, "AppDirectory": `C:\app\data`} {
		must("reg", "add", registered+winhosttest.WrappedService+`\Parameters`, "/v", name, "/t", "REG_EXPAND_SZ", "/d", value, "/f")
	}
	must("reg", "add", registered+winhosttest.WrappedService+`\Parameters`, "/v", "AppEnvironmentExtra", "/t", "REG_MULTI_SZ", "/d", block(winhosttest.WrappedEnvironment), "/f")
	for name, value := range winhosttest.MachineEnvironment {
		must("reg", "add", environment, "/v", name, "/d", value, "/f")
		t.Cleanup(func() { _, _ = wineAfter(engine, "reg", "delete", environment, "/v", name, "/f") })
	}
}

// wineAfter is wine for a cleanup, when the test's context has ended.
func wineAfter(engine string, args ...string) ([]byte, error) {
	return exec.Command("bash", append([]string{"-c", `eval "$("$0" --env)" && exec wine "$@"`, engine}, args...)...).CombinedOutput()
}

// hold opens a file in a process of Wine, and lets others do what share says (FileShare).
func hold(t *testing.T, engine, file, share string) (release func()) {
	cmd := exec.Command(engine, "-NoProfile", "-Command",
		"$f = [IO.File]::Open("+quoted(windowsPath(file))+", 'Open', 'Read', '"+share+"'); [Console]::Out.WriteLine('held'); [void][Console]::In.ReadLine(); $f.Dispose()")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || !strings.HasPrefix(line, "held") {
		t.Fatalf("hold: %q, %v", line, err)
	}
	return func() {
		_, _ = io.WriteString(in, "\n")
		_ = cmd.Wait()
	}
}

func TestTableOnWine(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: the real script is not tried under Wine")
	}
	engine := find(t, "pwsh-windows")
	if _, err := exec.Command(engine, "-Command", "exit 0").CombinedOutput(); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("pwsh-windows does not run: %v", err)
		}
		t.Skipf("pwsh-windows does not run: %v", err)
	}
	install(t, engine)
	dir := t.TempDir()
	host := folder(t, dir)
	host.Kind, host.Dir = winhosttest.Wine, windowsPath(dir)+`\`
	host.Hold = func(name string) func() { return hold(t, engine, filepath.Join(dir, name), "Read") }
	host.Keep = func(name string) func() { return hold(t, engine, filepath.Join(dir, name), "None") }
	host.Forget = func(store, sha1 string) {
		place, name, _ := strings.Cut(store, `\`)
		root := map[string]string{"LocalMachine": "HKLM", "CurrentUser": "HKCU"}[place]
		if out, err := wine(t, engine, "reg", "delete", root+`\SOFTWARE\Microsoft\SystemCertificates\`+name+`\Certificates\`+sha1, "/f"); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
	}
	host.Process = process.PowerShell(engine, "")
	winhosttest.Run(t, host)
	t.Run("program that takes secrets", func(t *testing.T) { takesSecrets(t, engine, host.Process) })
}

// takesSecrets lets the real script start a Windows program that writes its command line and how that was split, and ends with
// the number of arguments: a value of as many characters makes as much output, and more only by what was escaped.
func takesSecrets(t *testing.T, engine string, start process.Func) {
	const audit = `HKLM\SOFTWARE\Microsoft\Windows\CurrentVersion\Policies\System\Audit`
	ask := func(op winhost.Op) *winhost.Secrets {
		t.Helper()
		rs, err := winhost.Run(t.Context(), start, winhost.Config{}, []winhost.Op{op})
		if err != nil || rs[0].Secrets == nil {
			t.Fatalf("%v %+v", err, rs)
		}
		return rs[0].Secrets
	}
	const program = `C:\svc\args.exe`
	look := &winhost.SecretsLook{Program: program, TimeoutSeconds: 30}
	if s := ask(look); !s.Exists || s.Stdin != winhost.No || s.CommandLines != winhost.No || s.Sysmon != winhost.No {
		t.Errorf("%+v", s)
	}
	if out, err := wine(t, engine, "reg", "add", audit, "/v", "ProcessCreationIncludeCmdLine_Enabled", "/t", "REG_DWORD", "/d", "1", "/f"); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Cleanup(func() { _, _ = wineAfter(engine, "reg", "delete", audit, "/f") })
	if s := ask(look); s.CommandLines != winhost.Yes {
		t.Errorf("command lines are logged, and it says %+v", s)
	}
	set := func(value string, argument bool) winhost.Op {
		return &winhost.SecretsSet{Program: program, Ref: "secret://a/b", Argument: argument, TimeoutSeconds: 30, Value: secret.NewString(value)}
	}
	plain, nasty := ask(set("0123456789abcdef", true)), ask(set(`a "b" c\\" d\ %X`, true))
	if escaped := 5; plain.Exit != 3 || nasty.Exit != 3 || nasty.Output != plain.Output+escaped {
		t.Errorf("%+v and %+v: the command line was split otherwise", plain, nasty)
	}
	short, long := ask(set("x", false)), ask(set(strings.Repeat("y", 100_000), false))
	if *short != *long || short.Output == 0 {
		t.Errorf("%+v and %+v: a value on standard input shows on the command line", short, long)
	}
	byFile := func(value string) *winhost.Secrets {
		return ask(&winhost.SecretsSet{Program: program, Ref: "secret://a/b", File: true, TimeoutSeconds: 30, Value: secret.NewString(value)})
	}
	if short, long := byFile("x"), byFile(strings.Repeat("y", 100_000)); *short != *long || short.Output == 0 || ask(look).Left != 0 {
		t.Errorf("%+v and %+v: a value in a file shows on the command line, or is left", short, long)
	}
}
