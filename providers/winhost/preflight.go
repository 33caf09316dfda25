package winhost

// Preflight tries what a rotation will do to a service, to the file that it reads, and to what a build signs with, and does none of it: it asks Windows for
// the very access that the change needs, and gives it back. A file that another process holds for a moment is tried again.
type Preflight struct {
	// Service is to be stopped and started, "" for none. With Logon its account and password are to be set, too.
	Service string `json:"name"`
	Logon   bool   `json:"logon"`
	// Path is the file that is to be replaced, or made where there is none; "" for none.
	Path string `json:"path"`
	// Store is where a certificate is to be put, "" for none: `LocalMachine\My`. Machine: a variable of the machine's environment is to
	// be set.
	Store   string `json:"store"`
	Machine bool   `json:"machine"`
}

// Trials are what Windows answered. Each number is the Windows error that the change would meet, 0 when it would meet none.
type Trials struct {
	// Service: 1060 there is none, 5 the account may not.
	Service uint32 `json:"service"`
	// File, as it is: 32 another process holds it and lets nobody replace it, 5 the account may not. 0 where there is no file.
	File uint32 `json:"file"`
	// Folder, to make a file in it: 2 and 3 there is none, 5 the account may not.
	Folder uint32 `json:"folder"`
	// ReadOnly is the file's attribute.
	ReadOnly bool `json:"readOnly"`
	// Size is the file's, Free what the account may still write to its volume, in bytes; Free is -1 where that is not known.
	Size int64 `json:"size"`
	Free int64 `json:"free"`
	// Store, to add to it, and to that of the authorities beside it; Environment, to change it: 5 the account may not.
	Store       uint32 `json:"store"`
	Environment uint32 `json:"environment"`
}

func (o Preflight) Name() string   { return "preflight" }
func (o Preflight) Object() string { return o.Path }
func (o Preflight) Looks() bool    { return true }
