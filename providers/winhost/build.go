package winhost

// VariableRead looks at a variable of the machine's environment. Its value is told only where it reads as a thumbprint, as people
// paste them: whatever else may stand there is nobody's business.
type VariableRead struct {
	Variable string `json:"variable"`
}

// VariableSet sets a variable of the machine's environment, which new processes see from then on. It must still be Was.
type VariableSet struct {
	Variable string `json:"variable"`
	Value    string `json:"value"` // "" removes it
	Was      string `json:"was"`   // "" where there was none
}

// Variable is a variable of the machine's environment.
type Variable struct {
	Exists bool `json:"exists"`
	// Value is "" where it does not read as a thumbprint.
	Value string `json:"value"`
}

// BuildRun runs a script of the host to its end, in the script's own folder. What it writes is told meanwhile, as Session.Follow has
// it. When the time is over, or the process of this session ends, so does everything that the script has started. One build of a
// script runs at a time, whoever asks.
type BuildRun struct {
	Script string `json:"path"`
	// Variable and Value are added to its environment; "" adds nothing.
	Variable       string `json:"variable"`
	Value          string `json:"value"`
	TimeoutSeconds int    `json:"timeoutSeconds"`
}

// Build is how a build went.
type Build struct {
	Exit uint32 `json:"exit"`
	// Lines is how many it wrote.
	Lines int `json:"lines"`
}

func (o VariableRead) Name() string   { return "variable.read" }
func (o VariableRead) Object() string { return o.Variable }
func (o VariableRead) Looks() bool    { return true }
func (o VariableSet) Name() string    { return "variable.set" }
func (o VariableSet) Object() string  { return o.Variable }
func (o VariableSet) Looks() bool     { return false }
func (o BuildRun) Name() string       { return "build.run" }
func (o BuildRun) Object() string     { return o.Script }
func (o BuildRun) Looks() bool        { return false }
