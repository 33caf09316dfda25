package live

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"io"
	"slices"
	"strings"

	"golang.org/x/net/html/charset"
	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"

	"meshrotate/providers/appsettings"
	"meshrotate/providers/winhost"
	"meshrotate/reconciler/secret"
)

// described is what WinSW starts, by the XML file beside it: https://github.com/winsw/winsw/blob/v3/docs/xml-config-file.md.
// WinSW 2 looks for the elements under any root. Which of the arguments it takes differs by version: all count.
type described struct {
	XMLName        xml.Name
	Executable     string   `xml:"executable"`
	Arguments      []string `xml:"arguments"`
	Argument       []string `xml:"argument"`
	StartArguments []string `xml:"startarguments"`
	StartArgument  []string `xml:"startargument"`
	Folder         string   `xml:"workingdirectory"`
	Env            []struct {
		Name  string `xml:"name,attr"`
		Value string `xml:"value,attr"`
	} `xml:"env"`
}

// unwrapped is the environment of the program that WinSW starts, where it is what the service's program turns out to be. NSSM and
// srvany keep theirs in the registry, and the host has read that. Doubt says that the file could not be read, "" that it could.
func unwrapped(env *winhost.Environment, ask asking) (within *winhost.Environment, doubt string, err error) {
	if env.Described == "" || env.Wrapped {
		return env, "", nil
	}
	read := winhost.FileRead{Path: env.Described}
	results, err := ask([]winhost.Op{read})
	if err != nil {
		return nil, "", err
	}
	content := contentOf(results[0])
	if results[0].Code == winhost.NotFound || results[0].Err(read) == nil && content == nil {
		return env, "", nil // it is gone by now
	}
	var d described
	switch {
	case results[0].Err(read) != nil || parseXML(content, &d) != nil: // the error may hold a piece of a value
		return env, fmt.Sprintf("%s beside the service's program cannot be read: if that program is WinSW, the arguments and the variables of what it starts are not known", env.Described), nil
	case d.Executable == "" && strings.EqualFold(d.XMLName.Local, "service"):
		return env, fmt.Sprintf("%s beside the service's program names no executable as WinSW spells it: the arguments and the variables of what is started are not known", env.Described), nil
	case d.Executable == "":
		return env, "", nil // the compiler's words about a program, or nothing of ours
	}
	within = d.within(env)
	return within, "", d.find(within, ask)
}

// find has the host say where the program is, as its variables put it, and whether it is there.
func (d *described) find(within *winhost.Environment, ask asking) error {
	line := string(within.CommandLine.Expose())
	program, rest, _ := strings.Cut(line[1:], `"`)
	ops := []winhost.Op{winhost.FileRead{Path: program, HashOnly: true}, winhost.EnvironmentRead{Path: program, Program: `"` + program + `"`}}
	results, err := ask(ops)
	if err != nil {
		return err
	}
	if e := results[1].Environment; e != nil {
		within.Programs = slices.Concat(within.Programs, e.Programs)
		if e.Path != "" && strings.Contains(program, "%") {
			program = e.Path
			within.CommandLine = secret.NewString(`"` + program + `"` + rest)
		}
	}
	elsewhere := !strings.ContainsAny(d.Executable, `\/%`) // Windows may find it there
	if f := results[0].File; f != nil && !f.Exists && within.Missing == "" && !elsewhere {
		within.Missing = program
	}
	return nil
}

// within is the environment of what is started.
func (d *described) within(env *winhost.Environment) *winhost.Environment {
	wrapper, _ := appsettings.Split(env.Described)
	expand := func(text string) string { // WinSW sets %BASE% to its own folder, and the variables that it is given
		text = strings.NewReplacer("%BASE%", wrapper, "%base%", wrapper).Replace(strings.TrimSpace(text))
		for _, v := range d.Env {
			text = strings.ReplaceAll(text, "%"+v.Name+"%", v.Value)
		}
		return text
	}
	within := *env
	within.Wrapped, within.Folder = true, wrapper
	if d.Folder != "" {
		within.Folder = appsettings.Join(wrapper, expand(d.Folder))
	}
	program := expand(d.Executable)
	if !strings.HasPrefix(program, "%") {
		program = appsettings.Join(wrapper, program)
	}
	words := []string{`"` + program + `"`}
	for _, text := range slices.Concat(d.Arguments, d.Argument, d.StartArguments, d.StartArgument) {
		words = append(words, expand(strings.NewReplacer("\r", " ", "\n", " ").Replace(text))) // they may stand on lines of their own
	}
	within.CommandLine = secret.NewString(strings.Join(words, " "))
	within.Service.Names = slices.Clone(env.Service.Names)
	within.Service.Hosting = map[string]string{}
	for name, value := range env.Service.Hosting {
		within.Service.Hosting[name] = value
	}
	for _, v := range d.Env {
		within.Service.Names = append(within.Service.Names, v.Name)
		if winhost.IsHosting(v.Name) {
			within.Service.Hosting[v.Name] = expand(v.Value)
		}
	}
	return &within
}

// parseXML reads XML of any encoding: UTF-16 by its mark or its first character, others by their declaration.
func parseXML(data []byte, into any) error {
	switch {
	case bytes.HasPrefix(data, []byte("<\x00")):
		data = append([]byte("\xff\xfe"), data...)
	case bytes.HasPrefix(data, []byte("\x00<")):
		data = append([]byte("\xfe\xff"), data...)
	}
	decoder := xml.NewDecoder(transform.NewReader(bytes.NewReader(data), unicode.BOMOverride(transform.Nop)))
	decoder.CharsetReader = func(label string, in io.Reader) (io.Reader, error) {
		if strings.HasPrefix(strings.ToLower(label), "utf-16") {
			return in, nil // it was decoded by its first bytes, or it is not what it says
		}
		return charset.NewReaderLabel(label, in)
	}
	return decoder.Decode(into)
}
