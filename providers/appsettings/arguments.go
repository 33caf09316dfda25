package appsettings

import (
	"fmt"
	"strings"

	"meshrotate/reconciler/secret"
)

// argument looks for a key among a process' arguments. The last one wins.
func (l Layer) argument(key string) (Setting, error) {
	var found Setting
	all, err := l.arguments()
	for _, a := range all {
		if fold(a.key) == fold(key) {
			found = Setting{Found: true, Value: secret.NewString(a.value)}
		}
	}
	return found, err
}

// arguments are what a process' arguments set: "--key=value", "--key value", the same with "/", and "key=value". "__" is no colon
// here. A switch with one dash and a value ends the program, since none is declared.
func (l Layer) arguments() ([]meaning, error) {
	var all []meaning
	for i := 0; i < len(l.Args); i++ {
		arg := l.Args[i]
		rest, long := strings.CutPrefix(arg, "--")
		short := false
		if !long {
			if rest, long = strings.CutPrefix(arg, "/"); !long {
				rest, short = strings.CutPrefix(arg, "-")
			}
		}
		name, value, joined := strings.Cut(rest, "=")
		switch {
		case joined && short:
			return nil, &RefusedError{Reason: fmt.Sprintf("the argument -%s is a short switch that .NET does not know", show(name))}
		case !joined && !long:
			continue
		case !joined && i+1 == len(l.Args):
			continue
		case !joined:
			i++
			value = l.Args[i]
		}
		all = append(all, meaning{name, value})
	}
	return all, nil
}

// Program is which program a Windows service's command line starts, and with which arguments. It is cut as the C library
// does. A path with blanks and without quotes ends at its first ".exe"; .NET still takes its pieces for arguments.
func Program(commandLine string) (program string, args []string) {
	words := split(commandLine)
	if len(words) == 0 {
		return "", nil
	}
	program, args = words[0], words[1:]
	if !strings.HasPrefix(strings.TrimLeft(commandLine, " \t"), `"`) {
		if i := strings.Index(strings.ToLower(commandLine)+" ", ".exe "); i >= 0 {
			program = strings.TrimLeft(commandLine[:i+len(".exe")], " \t")
		}
	}
	if _, name := Split(program); !strings.EqualFold(name, "dotnet.exe") && !strings.EqualFold(name, "dotnet") {
		return program, args
	}
	for i, arg := range args { // the program is a library, which dotnet.exe hosts
		if _, ok := cutSuffixFolded(arg, ".dll"); ok {
			return arg, args[i+1:]
		}
	}
	return program, args
}

// split cuts a command line into words: backslashes escape only before a quote, and two quotes inside quotes are one.
func split(line string) []string {
	var words []string
	line = strings.TrimLeft(line, " \t")
	if line == "" {
		return nil
	}
	// The program's own name knows no escapes.
	if rest, ok := strings.CutPrefix(line, `"`); ok {
		name, after, _ := strings.Cut(rest, `"`)
		words, line = append(words, name), after
	} else {
		end := strings.IndexAny(line+" ", " \t")
		words, line = append(words, line[:end]), line[end:]
	}
	for {
		line = strings.TrimLeft(line, " \t")
		if line == "" {
			return words
		}
		var word string
		word, line = cutWord(line)
		words = append(words, word)
	}
}

func cutWord(line string) (word, rest string) {
	var b strings.Builder
	quoted := false
	for i := 0; i < len(line); i++ {
		slashes := 0
		for i < len(line) && line[i] == '\\' {
			slashes++
			i++
		}
		if i == len(line) || line[i] != '"' {
			b.WriteString(strings.Repeat(`\`, slashes))
			if i == len(line) {
				break
			}
			if !quoted && (line[i] == ' ' || line[i] == '\t') {
				return b.String(), line[i:]
			}
			b.WriteByte(line[i])
			continue
		}
		b.WriteString(strings.Repeat(`\`, slashes/2))
		switch {
		case slashes%2 == 1:
			b.WriteByte('"')
		case quoted && i+1 < len(line) && line[i+1] == '"':
			b.WriteByte('"')
			i++
		default:
			quoted = !quoted
		}
	}
	return b.String(), ""
}
