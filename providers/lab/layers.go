package lab

import (
	"encoding/xml"
	"errors"
	"fmt"
	"maps"
	"strings"

	"meshrotate/providers/appsettings"
	"meshrotate/providers/lab/machine"
)

// layers are the mishaps that give a service another value than its settings file, and some that only look so. They show at the
// service's next start.
func layers() []Mishap {
	return []Mishap{
		{"argument", "give the service its key in its command line", launched(func(h *Host, v string) layer {
			return layer{args: `"--` + h.key() + "=" + v + `"`}
		})},
		{"staging", "set --environment Staging; appsettings.Staging.json has a key", launched(func(h *Host, _ string) layer {
			return layer{args: "--environment Staging", file: h.beside("appsettings.Staging.json")}
		})},
		{"production", "put another key into appsettings.Production.json", launched(func(h *Host, _ string) layer {
			return layer{file: h.beside("appsettings.Production.json")}
		})},
		{"unused", "the same with DOTNET_ENVIRONMENT=Staging: the file is not read", launched(func(h *Host, _ string) layer {
			return layer{own: []string{"DOTNET_ENVIRONMENT=Staging"}, file: h.beside("appsettings.Production.json")}
		})},
		{"web-staging", "as staging, by ASPNETCORE_ENVIRONMENT, for web programs", launched(func(h *Host, _ string) layer {
			return layer{own: []string{"ASPNETCORE_ENVIRONMENT=Staging"}, file: h.beside("appsettings.Staging.json")}
		})},
		{"both-staging", "the same, and DOTNET_ENVIRONMENT=Production, which wins in some", launched(func(h *Host, _ string) layer {
			return layer{own: []string{"ASPNETCORE_ENVIRONMENT=Staging", "DOTNET_ENVIRONMENT=Production"}, file: h.beside("appsettings.Staging.json")}
		})},
		{"root-env", "set DOTNET_CONTENTROOT to a folder that has its own settings", launched(func(_ *Host, _ string) layer {
			return layer{own: []string{"DOTNET_CONTENTROOT=" + elsewhere}, file: elsewhere + `\appsettings.json`}
		})},
		{"web-root", "set ASPNETCORE_CONTENTROOT to it, which web programs read", launched(func(_ *Host, _ string) layer {
			return layer{own: []string{"ASPNETCORE_CONTENTROOT=" + elsewhere}, file: elsewhere + `\appsettings.json`}
		})},
		{"root", "set --contentRoot to a folder that has its own settings", launched(func(_ *Host, _ string) layer {
			return layer{args: `--contentRoot "` + elsewhere + `"`, file: elsewhere + `\appsettings.json`}
		})},
		{"side", "install the program in another folder, with its own settings", launched(func(_ *Host, _ string) layer {
			return layer{program: elsewhere, file: elsewhere + `\appsettings.json`}
		})},
		{"own-env", "put a key into the service's environment", launched(func(h *Host, v string) layer { return layer{own: []string{h.variable() + "=" + v}} })},
		{"user-env", "put a key into the environment of the service's account", launched(func(h *Host, v string) layer { return layer{user: h.variable() + "=" + v} })},
		{"prefix", "put a key into the service's environment, behind " + Prefix + "", launched(func(h *Host, v string) layer {
			return layer{own: []string{Prefix + h.variable() + "=" + v}}
		})},
		{"named", "put a key into PROGRAM.settings.json, which .NET 10 reads", launched(func(h *Host, _ string) layer {
			return layer{file: h.beside(h.service() + ".settings.json")}
		})},
		{"named-env", "put a key into PROGRAM.settings.Production.json (.NET 10)", launched(func(h *Host, _ string) layer {
			return layer{file: h.beside(h.service() + ".settings.Production.json")}
		})},
		{"secrets", "set DOTNET_ENVIRONMENT=Development; user secrets have a key", launched(func(h *Host, _ string) layer {
			_, account := h.Machine.Registered(h.service())
			return layer{own: []string{"DOTNET_ENVIRONMENT=Development"}, file: machine.UserSecretsOf(account)}
		})},
		{"section", "put one behind MESH__, which .NET reads as a section", launched(func(h *Host, v string) layer {
			return layer{own: []string{"MESH__" + h.variable() + "=" + v}}
		})},
		{"local", "put a key into appsettings.Local.json: .NET does not read it", launched(func(h *Host, _ string) layer {
			return layer{file: h.beside("appsettings.Local.json")}
		})},
		{"sibling", "put a key into custom.json beside the settings: it is not read", launched(func(h *Host, _ string) layer {
			return layer{file: h.beside("custom.json")}
		})},
		{"jsonc", "put one into appsettings.jsonc beside them", launched(func(h *Host, _ string) layer { return layer{file: h.beside("appsettings.jsonc")} })},
		{"json5", "put one into settings.json5 beside them", launched(func(h *Host, _ string) layer { return layer{file: h.beside("settings.json5")} })},
		{"ini", "put one into appsettings.ini beside them", launched(func(h *Host, _ string) layer { return layer{file: h.beside("appsettings.ini")} })},
		{"yaml", "put one into appsettings.yaml beside them", launched(func(h *Host, _ string) layer { return layer{file: h.beside("appsettings.yaml")} })},
		{"xml", "put one into appsettings.xml beside them", launched(func(h *Host, _ string) layer { return layer{file: h.beside("appsettings.xml")} })},
		{"dotenv", "put one into .env beside them", launched(func(h *Host, _ string) layer { return layer{file: h.beside(".env")} })},
		{"subfolder", "put one into config\\appsettings.json below them", launched(func(h *Host, _ string) layer {
			return layer{file: h.beside(`config\appsettings.json`)}
		})},
		{"config-env", "set " + Prefix + "CONFIG to the path of a file that has a key", launched(func(_ *Host, _ string) layer {
			return layer{file: elsewhere + `\relay.json`, own: []string{Prefix + "CONFIG=" + elsewhere + `\relay.json`}}
		})},
		{"config", "put one into the program's .exe.config, in XML", launched(func(h *Host, _ string) layer {
			return layer{file: h.beside(h.service() + ".exe.config")}
		})},
		{"wrapped", "start the program through NSSM, with a key among its variables", launched(func(h *Host, v string) layer {
			return layer{wrap: &machine.Wrapped{Line: programOf(h.Settings(), h.service()), Environment: map[string]string{h.variable(): v}}}
		})},
		{"wrapped-plain", "start the program through NSSM, and nothing else", launched(func(h *Host, _ string) layer {
			return layer{wrap: &machine.Wrapped{Line: programOf(h.Settings(), h.service())}}
		})},
		{"winsw-plain", "start it through WinSW, and nothing else", launched(func(h *Host, _ string) layer {
			return layer{wrap: &machine.Wrapped{ByFile: true, Line: programOf(h.Settings(), h.service())}}
		})},
		{"wrapped-in", "start it through NSSM in a folder that has its own settings", launched(func(h *Host, _ string) layer {
			return layer{wrap: &machine.Wrapped{Line: programOf(h.Settings(), h.service()), Folder: elsewhere}, file: elsewhere + `\appsettings.json`}
		})},
		{"winsw", "start it through WinSW, with a key in its XML file", launched(func(h *Host, v string) layer {
			return layer{wrap: &machine.Wrapped{ByFile: true, Line: programOf(h.Settings(), h.service()), Environment: map[string]string{h.variable(): v}}}
		})},
		{"winsw-in", "start it through WinSW in a folder that has its own settings", launched(func(h *Host, _ string) layer {
			return layer{wrap: &machine.Wrapped{ByFile: true, Line: programOf(h.Settings(), h.service()), Folder: elsewhere}, file: elsewhere + `\appsettings.json`}
		})},
		{"plain", "take all of these away again", func(_ *Lab, h *Host) error { return h.plain() }},
	}
}

// elsewhere is where no installer puts the product.
const elsewhere = `C:\Program Files\IdentityMesh Old`

// layer is how a service gets another value: words for its command line, a variable of its own or of its account's, a file, a
// folder for its program, or a program that starts it.
type layer struct {
	args, user, file, program string
	own                       []string
	wrap                      *machine.Wrapped
}

func launched(how func(h *Host, value string) layer) func(*Lab, *Host) error {
	return func(_ *Lab, h *Host) error {
		value := random(32)
		return h.lay(how(h, value), value)
	}
}

func (h *Host) lay(l layer, value string) error {
	if h.manager != nil {
		return errors.New("the service manager of this engine is a real one, and its services are left as they are")
	}
	if l.file != "" {
		if err := h.write(l.file, h.settingsIn(l.file, value)); err != nil {
			return err
		}
	}
	for path, needed := range map[string]bool{strings.Trim(programOf(l.program+`\`, h.service()), `"`): l.program != "", nssm: l.wrap != nil && !l.wrap.ByFile, winsw + ".exe": l.wrap != nil && l.wrap.ByFile} {
		if needed {
			if err := h.write(path, aProgram); err != nil {
				return err
			}
		}
	}
	if l.wrap != nil && l.wrap.ByFile {
		if err := h.write(winsw+".xml", description(l.wrap)); err != nil {
			return err
		}
	}
	service := h.service()
	if name, v, ok := strings.Cut(l.user, "="); ok {
		_, account := h.Machine.Registered(service)
		h.Machine.SetAccountEnvironment(account, name, v)
	}
	return h.Machine.Change(service, func(s *machine.Service) {
		if l.program != "" {
			s.ImagePath = programOf(l.program+`\`, service)
		}
		if l.wrap != nil {
			s.ImagePath, s.Wrapped = nssm, l.wrap
			if l.wrap.ByFile {
				s.ImagePath = `"` + winsw + `.exe"`
			}
		}
		if l.args != "" {
			s.ImagePath += " " + l.args
		}
		for _, own := range l.own {
			name, v, _ := strings.Cut(own, "=")
			s.Environment = maps.Clone(s.Environment)
			if s.Environment == nil {
				s.Environment = map[string]string{}
			}
			s.Environment[name] = v
		}
	})
}

// settingsIn is a file that sets the service's key, in the language of its name.
func (h *Host) settingsIn(path, value string) []byte {
	section, name, _ := strings.Cut(h.key(), ":")
	switch {
	case strings.HasSuffix(path, ".json5"):
		return fmt.Appendf(nil, "{ %s: { %s: %s } }\n", section, name, "'"+value+"'")
	case strings.HasSuffix(path, ".ini"):
		return fmt.Appendf(nil, "[%s]\r\n%s=%s\r\n", section, name, value)
	case strings.HasSuffix(path, ".yaml"):
		return fmt.Appendf(nil, "%s:\n  %s: %s\n", section, name, value)
	case strings.HasSuffix(path, ".xml"):
		return fmt.Appendf(nil, "<settings>\r\n  <%s>\r\n    <%s>%s</%s>\r\n  </%s>\r\n</settings>\r\n", section, name, value, name, section)
	case strings.HasSuffix(path, ".env"):
		return fmt.Appendf(nil, "%s=%s\n", h.variable(), value)
	case strings.HasSuffix(path, ".config"):
		return fmt.Appendf(nil, "<configuration>\r\n  <appSettings>\r\n    <add key=%q value=%q />\r\n  </appSettings>\r\n</configuration>\r\n", h.key(), value)
	}
	return []byte("{ " + quote(h.key()) + ": " + quote(value) + " }\n")
}

const nssm = `C:\Program Files\nssm\nssm.exe`

// winsw is a copy of WinSW, which bears the name of its file.
const winsw = `C:\Program Files\winsw\identitymesh`

// description is what WinSW reads.
func description(w *machine.Wrapped) []byte {
	type variable struct {
		Name  string `xml:"name,attr"`
		Value string `xml:"value,attr"`
	}
	d := struct {
		XMLName    xml.Name   `xml:"service"`
		Executable string     `xml:"executable"`
		Folder     string     `xml:"workingdirectory,omitempty"`
		Env        []variable `xml:"env"`
	}{Executable: strings.Trim(w.Line, `"`), Folder: w.Folder}
	for name, value := range w.Environment {
		d.Env = append(d.Env, variable{name, value})
	}
	text, err := xml.MarshalIndent(d, "", "  ")
	if err != nil {
		panic(err) // of texts
	}
	return text
}

// plain starts the service again as the installer left it, from its next start on.
func (h *Host) plain() error {
	service := h.service()
	_, account := h.Machine.Registered(service)
	for name := range h.Machine.AccountEnvironment(account) {
		h.Machine.SetAccountEnvironment(account, name, "")
	}
	for _, path := range []string{h.beside("appsettings.Staging.json"), h.beside("appsettings.Production.json"), elsewhere + `\appsettings.json`,
		h.beside(service + ".settings.json"), h.beside(service + ".settings.Production.json"), machine.UserSecretsOf(account), h.beside("custom.json"), h.beside("appsettings.Local.json"),
		h.beside("appsettings.jsonc"), h.beside("settings.json5"), h.beside(service + ".exe.config"), winsw + ".xml",
		h.beside("appsettings.ini"), h.beside("appsettings.yaml"), h.beside("appsettings.xml"), h.beside(".env"), h.beside(`config\appsettings.json`), elsewhere + `\relay.json`} {
		if err := h.Machine.FS.Remove(path); err != nil && !errors.Is(err, machine.ErrFileNotFound) && !errors.Is(err, machine.ErrPathNotFound) {
			return fmt.Errorf("%s: %w", path, err)
		}
	}
	return h.Machine.Change(service, func(s *machine.Service) {
		s.ImagePath, s.Environment, s.Wrapped = programOf(h.Settings(), service), nil, nil
	})
}

// key is what the host's service needs.
func (h *Host) key() string {
	if h.service() == EngineService {
		return h.stringKey()
	}
	return relayKey
}

func (h *Host) variable() string { return strings.ReplaceAll(h.key(), ":", "__") }

func (h *Host) beside(name string) string {
	folder, _ := appsettings.Split(h.Settings())
	return appsettings.Join(folder, name)
}
