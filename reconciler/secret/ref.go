package secret

// Ref names one version of one secret. It may be shown to anybody.
type Ref struct {
	// Name is the secret's name within its deployment: "relaykey", "license", "connector:ad:hq:bind".
	Name string `json:"name"`
	// Version is the declared version. Versions are names, not numbers: "7", "2026-11".
	Version string `json:"version"`
}

// String is how people read a Ref: "relaykey 7".
func (r Ref) String() string { return r.Name + " " + r.Version }
