package live

import (
	"fmt"
	"slices"
	"strings"

	"meshrotate/providers/appsettings"
	"meshrotate/providers/winhost"
)

// launches says of a program that it starts another one, and may give that settings: a shell, a script, a wrapper whose arguments
// are its own.
func launches(program string) bool {
	_, name := appsettings.Split(appsettings.Clean(program))
	name = strings.TrimSuffix(strings.ToLower(name), ".exe")
	return slices.Contains([]string{"cmd", "powershell", "pwsh", "wscript", "cscript", "shawl"}, name) || isScript(name)
}

func isScript(name string) bool {
	return slices.ContainsFunc([]string{".cmd", ".bat", ".ps1", ".vbs", ".js"}, func(end string) bool { return strings.HasSuffix(strings.ToLower(name), end) })
}

// shortSwitch says of an argument that .NET reads it only where the program has said what it stands for.
func shortSwitch(arg string) bool {
	return strings.HasPrefix(arg, "-") && !strings.HasPrefix(arg, "--") && strings.Contains(arg, "=")
}

// settingsNamed are the files of settings that arguments name, as --settings C:\relay.json or --settings=C:\relay.json.
func settingsNamed(args []string) (paths []string) {
	for _, arg := range args {
		if _, value, is := strings.Cut(arg, "="); is {
			arg = value
		}
		arg = strings.Trim(arg, `"'`)
		if winhost.IsSettings(arg) {
			paths = append(paths, arg)
		}
	}
	return paths
}

// scriptOf is the script that the service's command line runs, "" for none.
func (j *judge) scriptOf() string {
	program, args := appsettings.Program(string(j.env.CommandLine.Expose()))
	if !launches(program) {
		return ""
	}
	folder := appsettings.Clean(j.env.Folder)
	if folder == "" {
		folder, _ = appsettings.Split(appsettings.Clean(program))
	}
	for _, word := range append([]string{program}, args...) {
		if word = strings.Trim(word, `"' &`); isScript(word) {
			return appsettings.Clean(appsettings.Join(folder, word))
		}
	}
	return ""
}

// mostOfSwitch is from how many characters on the value of a short switch may be a secret.
const mostOfSwitch = 16

// indirect is what a service is told on ways that nobody here reads as its program does: the arguments of what starts it, a script, a
// short switch. Where the key's name stands there, it is taken for set.
func (j *judge) indirect() {
	line := string(j.env.CommandLine.Expose())
	program, args := appsettings.Program(line)
	found := func(where, mend string) {
		for _, host := range appsettings.ServiceHosts() {
			j.override(host, where, mend)
		}
	}
	for _, path := range settingsNamed(args) {
		full := appsettings.Clean(appsettings.Join(j.folder, path))
		if _, looked := j.files[strings.ToLower(full)]; !looked && !strings.EqualFold(full, j.path) {
			j.doubts = append(j.doubts, fmt.Sprintf("the command line of service %s names %s: what that holds is not looked at", j.service, path))
		}
	}
	short := slices.IndexFunc(args, shortSwitch)
	switch {
	case launches(program):
		_, name := appsettings.Split(appsettings.Clean(program))
		j.doubts = append(j.doubts, fmt.Sprintf("service %s is started through %s: what that gives to the program cannot be seen from outside", j.service, name))
		if j.mentions(line) {
			found(fmt.Sprintf("the command line of service %s, which names %s", j.service, j.key), j.argument())
		}
		if j.script != "" && j.mentions(strings.ReplaceAll(string(contentOf(j.files[strings.ToLower(j.script)])), "\x00", "")) {
			found(fmt.Sprintf("%s, which service %s runs and which names %s", j.script, j.service, j.key), "take it out of the script, restart the service and plan again")
		}
	case short >= 0:
		j.doubts = append(j.doubts, fmt.Sprintf("the command line of service %s has a short switch: what it stands for is known to the program alone", j.service))
		for _, arg := range args {
			if _, value, _ := strings.Cut(arg, "="); shortSwitch(arg) && len(value) >= mostOfSwitch {
				found(fmt.Sprintf("a short switch in the command line of service %s, if it stands for %s", j.service, j.key), j.argument())
				break
			}
		}
	}
}

// mentions says that a text names the key, as variables or as arguments do.
func (j *judge) mentions(text string) bool {
	text = strings.ToLower(text)
	key := strings.ToLower(j.key)
	return strings.Contains(text, key) || strings.Contains(text, strings.ReplaceAll(key, ":", "__"))
}
