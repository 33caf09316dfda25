package connector

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"meshrotate/providers/site"
	"meshrotate/reconciler"
)

// guard collects the reasons not to go on, and the warnings. What is about all secrets alike is said in the same words by each:
// who shows them folds that.
func (r *Rotation) guard(in reconciler.Input, s sight) []reconciler.Finding {
	all := r.guardStore(in, s)
	if r.first && s.known() {
		all = append(all, r.orphans(s)...)
	}
	if s.known() {
		all = append(all, r.guardOne(in, s)...)
	}
	all = append(all, r.guardSealer(s)...)
	if s.tool != nil && s.tool.Left > 0 {
		all = append(all, site.Warning("value-file-left", fmt.Sprintf("%s: %s with a connector's secret beside %s, left by a run that was ended there", r.host, site.Count(s.tool.Left, "file"), r.spec.Tool),
			"delete *.meshrotate-value-* there; or set a secret: that deletes them first", r.host))
	}
	if s.push {
		all = append(all, r.guardTool(in, s)...)
		all = append(all, r.doubts(s)...)
	} else if last, is := r.unproven(in, s); is {
		all = append(all, site.Warning("connector-not-proven", fmt.Sprintf("%sstored on %s, and not proven: %s", r.which(), last.Time.UTC().Format(time.DateOnly), last.Unproven), r.howShown()))
	} else if s.known() && s.there && !s.wait && !r.syncs(s) {
		all = append(all, site.Note("connector-not-proven", r.which()+"not seen: whether what is stored opens on the Engine host; where that host was restored from an image, nothing shows it",
			"name the endpoint that tells of sync runs, secrets.connectors.syncs, and the connector: they show it; else give the secrets new versions and values after a restore"))
	}
	if !s.wait {
		all = append(all, r.guardSyncs(in, s)...)
	}
	if s.failing && !s.push && !s.wait {
		all = append(all, r.failing(in, s))
	}
	if s.push || s.wait && (r.hooked() || r.logsIn()) {
		all = append(all, r.guardValue(in, s)...)
	}
	if (s.push || s.wait) && r.hooked() && !s.ran && !r.again(s) {
		all = append(all, guardProgram(in, r.hook, "hook-missing", "the hook", "name the program that changes the value at its source system, and see that it may be run here: secrets.connectors.hook")...)
	}
	if (s.push || s.wait) && r.logsIn() {
		all = append(all, guardProgram(in, r.login, "source-login-missing", "the login", "name the program that signs in at the source system, and see that it may be run here: secrets.connectors.login")...)
	}
	if f, wrong := site.KeptFinding(in, r.Ref(), s.push); wrong {
		all = append(all, f)
	}
	if f, back := site.BackFinding(in, r.Ref(), s.push); back {
		all = append(all, f)
	}
	return all
}

// guardStore looks at the database.
func (r *Rotation) guardStore(in reconciler.Input, s sight) []reconciler.Finding {
	switch {
	case s.stored == nil:
		text := r.sqlServer + ": SQL Server could not be asked"
		if err := in.Seen[site.SQL(r.sqlServer)].Err; err != nil {
			text += ": " + err.Error()
		}
		return []reconciler.Finding{site.Problem("sql-unreachable", text, "look at the server and at connect.sql")}
	case s.stored.Problem != "":
		return []reconciler.Finding{site.Problem("secrets-unreadable", fmt.Sprintf("the tables of secrets and connectors could not be read: %s", s.stored.Problem),
			cmp.Or(s.stored.Hint, "name the tables and columns under secrets.connectors.tables")+fmt.Sprintf("; meshrotate needs SELECT on %s (%s, %s) and on %s (%s, %s), and never reads a secret there",
				r.spec.Tables.Secrets, r.spec.Tables.Ref, r.spec.Tables.Updated, r.spec.Tables.Connectors, r.spec.Tables.ID, r.spec.Tables.Name))}
	}
	return nil
}

// guardSealer tells of the machine that seals.
func (r *Rotation) guardSealer(s sight) []reconciler.Finding {
	switch {
	case s.identity == nil && !s.push:
		return []reconciler.Finding{site.Problem("connector-machine-unknown", r.host+": whether it is still the machine that connector secrets were sealed on could not be seen",
			"bring the host back and plan again; on another machine they do not open", r.host)}
	case s.changing >= 0 && s.elsewhere != nil:
		return []reconciler.Finding{site.Warning("connector-account-changes", fmt.Sprintf("%s: %s gets another account; what was sealed under the old one may not open under it: connector secrets are set again after that", r.host, r.identity.Service),
			"their sync runs may fail between the two", r.host)}
	case s.shut:
		return []reconciler.Finding{site.Warning("connector-sealed-elsewhere", fmt.Sprintf("%s: Admin tells of sync runs that fail because what is stored does not open there: as after a restore from an image", r.host),
			"find out what was done to the host; `meshrotate apply` sets these secrets again, with the same values", r.host)}
	case s.elsewhere != nil:
		return []reconciler.Finding{site.Warning("connector-sealed-elsewhere", fmt.Sprintf("%s: what seals connector secrets has changed, and what was sealed before may not open: %s", r.host, strings.Join(s.elsewhere, "; ")),
			"find out who moved it; sync runs fail until `meshrotate apply` has set the secrets again, with the same values", r.host)}
	case r.unrecorded(s):
		return []reconciler.Finding{site.Note("connector-machine-unrecorded", fmt.Sprintf("%s: which machine connector secrets were sealed on is not on record; apply records this one and sets nothing", r.host),
			"if the Engine host was moved or its account changed since they were set, give them new versions")}
	}
	return nil
}

// mostNamed is how many references a finding names.
const mostNamed = 10

// orphans are stored secrets that nobody declared.
func (r *Rotation) orphans(s sight) []reconciler.Finding {
	refs := make([]string, 0, len(s.stored.Updated))
	for ref := range s.stored.Updated {
		_, stored := s.stored.Updated[r.folded[strings.ToLower(ref)]]
		if other := r.folded[strings.ToLower(ref)] != "" && !stored; !r.declared[ref] && !other { // in other letters is said of that one
			refs = append(refs, ref)
		}
	}
	if len(refs) == 0 {
		return nil
	}
	slices.Sort(refs)
	const hint = "declare it under secrets.connectors.secrets, or remove it with secretscli if its connector is gone"
	if len(refs) == 1 {
		return []reconciler.Finding{site.Warning("connector-undeclared", fmt.Sprintf("ref %q is in %s and not in the spec", refs[0], r.spec.Tables.Secrets), hint)}
	}
	text := fmt.Sprintf("%d refs are in %s and not in the spec: %s", len(refs), r.spec.Tables.Secrets, strings.Join(refs[:min(len(refs), mostNamed)], ", "))
	if len(refs) > mostNamed {
		text += ", …"
	}
	return []reconciler.Finding{site.Warning("connector-undeclared", text, hint)}
}

// spelled is how a declared secret is stored that is there in other letters alone, "" for any other.
func (r *Rotation) spelled(s sight) (stored string) {
	if s.there || !s.known() {
		return ""
	}
	for ref := range s.stored.Updated {
		if strings.EqualFold(ref, r.secret.Ref) && (stored == "" || ref < stored) {
			stored = ref
		}
	}
	return stored
}

// guardOne looks at the secret and its connector.
func (r *Rotation) guardOne(in reconciler.Input, s sight) []reconciler.Finding {
	var all []reconciler.Finding
	ref := r.secret.Ref
	if stored := r.spelled(s); stored != "" {
		all = append(all, site.Problem("connector-spelling", fmt.Sprintf("ref %q is in the spec, and %q in %s: whether the product takes the two for one is not known here, and SQL Server mostly does: the stored value would be overwritten, and no run would know which one it was", ref, stored, r.spec.Tables.Secrets),
			"write it as it is stored: ref: "+strconv.Quote(stored)))
	} else if !s.there {
		all = append(all, site.Warning("connector-missing", fmt.Sprintf("ref %q is in the spec and not in %s", ref, r.spec.Tables.Secrets), "see that it is written as secretscli lists it; if it is new, apply sets it"))
	}
	switch {
	case r.secret.Connector != "" && s.owner == (site.Owner{}):
		f := site.Warning("connector-unknown", fmt.Sprintf("%q, the connector of %s, is not in %s", r.secret.Connector, ref, r.spec.Tables.Connectors), "correct its name or id; or leave `connector:` out, where the reference names it")
		f.Drift = s.there && r.spec.Syncs.Path != "" // of a new secret the connector may be made later; of another, a wrong letter takes the proof away
		all = append(all, f)
	case s.guessed:
		all = append(all, site.Note("connector-guessed", fmt.Sprintf("%s is taken to be of the connector %s, which is named in it", ref, s.owner.Name), "declare `connector:` to be sure"))
	}
	if last, ok := r.lastSet(in); ok && !s.push && !s.wait && r.setElsewhere(in, s) {
		all = append(all, site.Warning("connector-set-elsewhere", fmt.Sprintf("%s was set at %s, and meshrotate set it last at %s: somebody else did since, and which value is stored is not known",
			ref, moment(s.updated), moment(last)), "find out who and why; a new version sets it again"))
	}
	return all
}

func moment(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }

// guardTool looks at the program on the Engine host, and at who would see a value on its command line.
func (r *Rotation) guardTool(in reconciler.Input, s sight) []reconciler.Finding {
	if s.tool == nil {
		return []reconciler.Finding{site.HostFailed(in.Seen, r.host, "", "secrets are set on the Engine host, under whose key they are sealed")}
	}
	var all []reconciler.Finding
	if f, off := site.ClockFinding(r.host, site.Answer[site.MachineSeen](in.Seen, r.machine)); off {
		all = append(all, f)
	}
	seen := "nothing on the host is known to record command lines; other processes can read them"
	if s.tool.Watched != "" {
		seen = "command lines are recorded there by " + s.tool.Watched
	}
	switch {
	case !s.tool.Exists:
		return append(all, site.Problem("tool-missing", fmt.Sprintf("%s: there is no %s", r.host, r.spec.Tool), "name it: secrets.connectors.tool", r.host))
	case r.spec.Value == byFile && !s.tool.File:
		all = append(all, site.Problem("value-file-missing", fmt.Sprintf("%s: the help of %s offers no --value-file", r.host, r.spec.Tool), "leave out secrets.connectors.value, or use a version of the tool that takes it", r.host))
	case r.spec.Value == byFile:
		if t := site.Answer[site.PreflightSeen](in.Seen, r.beside); t != nil && t.Folder != 0 {
			all = append(all, site.Problem("value-file-denied", fmt.Sprintf("%s: no file can be made beside %s (Windows error %d), and the value stands in one for a moment", r.host, r.spec.Tool, t.Folder),
				"let meshrotate's account be an administrator of the host, or give it the right to make and remove files there", r.host))
		}
	case s.tool.Stdin:
	case r.spec.Argv == permitted:
		all = append(all, site.Warning("argv-exposed", fmt.Sprintf("%s: values stand on the command line of %s: %s", r.host, r.spec.Tool, seen), "use a version of the tool that takes them on its standard input", r.host))
	case s.tool.File:
		all = append(all, site.Problem("argv-refused", fmt.Sprintf("%s: %s takes values in a file or on its command line, and none on its standard input: %s", r.host, r.spec.Tool, seen),
			"give it a file: secrets.connectors `value: file`", r.host))
	default:
		all = append(all, site.Problem("argv-refused", fmt.Sprintf("%s: %s takes values on its command line only: %s", r.host, r.spec.Tool, seen),
			"accept that in the document, `argv: permitted`, or use a version of the tool that takes --stdin", r.host))
	}
	return all
}

// guardProgram looks at a program of the operator.
func guardProgram(in reconciler.Input, program site.OperatorProgram, code reconciler.FindingID, what, hint string) []reconciler.Finding {
	problem := "the machine that meshrotate runs on was not looked at"
	if p := site.Answer[site.ProgramSeen](in.Seen, program); p != nil {
		problem = p.Problem
	}
	if problem == "" {
		return nil
	}
	return []reconciler.Finding{site.Problem(code, fmt.Sprintf("%s %s: %s", what, program.Path, problem), hint)}
}

// guardValue looks at the declared value.
func (r *Rotation) guardValue(in reconciler.Input, s sight) []reconciler.Finding {
	ref, v := r.Ref(), s.value
	switch {
	case v == nil || v.Problem != "":
		text, hint := "the value of "+ref.String()+" is not to be had", "look at its `from` and at state.seal"
		if v != nil {
			text, hint = text+": "+v.Problem, cmp.Or(v.Hint, hint)
		} else if err := in.Seen[site.Values].Err; err != nil {
			text += ": " + err.Error()
		}
		return []reconciler.Finding{site.Problem("value-unavailable", text, hint)}
	case v.Unfit != "":
		return []reconciler.Finding{site.Problem("value-unfit", "the value of "+ref.String()+" cannot be set: "+v.Unfit, "put another value at its source")}
	case v.SameAs != "" && v.SameAs != ref.Version && s.failing && in.Compromised(ref) == "": // what is stored may not open
	case v.SameAs != "" && v.SameAs != ref.Version:
		return []reconciler.Finding{site.Problem("value-unchanged", fmt.Sprintf("%s has the same value as version %s: nothing would be rotated", ref, v.SameAs), "put the new value at its source")}
	}
	var all []reconciler.Finding
	if v.SourceChanged {
		all = append(all, site.SourceChanged(ref, r.secret.From.String()))
	}
	return all
}

// failing says that the latest sync runs of connectors do not succeed. It is the same finding for all of them, and names no time:
// there are new runs while a plan is reviewed.
func (r *Rotation) failing(in reconciler.Input, s sight) reconciler.Finding {
	var names []string
	for i := range r.spec.Secrets {
		other := &Rotation{section: r.section, secret: &r.spec.Secrets[i]}
		if owner, _ := other.ownerOf(s.stored); other.latest(in, s.stored, owner).Failed && !slices.Contains(names, owner.Name) {
			if names = append(names, owner.Name); len(names) > mostNamed {
				names[mostNamed] = "…"
				break
			}
		}
	}
	f := site.Warning("connector-syncs-fail", fmt.Sprintf("the latest sync runs of connectors fail, which began after their secrets were set: %s", strings.Join(names, ", ")),
		"see in Engine's log why. If its host was restored from an image, it opens nothing that was sealed since then: declare a new version, with the same value, and it is set again")
	f.Drift = true
	return f
}

// guardSyncs asks for the sync runs that the proof of a new value waits for, and that show that a stored one works.
func (r *Rotation) guardSyncs(in reconciler.Input, s sight) []reconciler.Finding {
	seen := site.Answer[site.TrialSeen](in.Seen, r.runs())
	reach, _ := site.APIReach(in.Seen, r.runs())
	shows := "a new value works"
	if !s.push {
		shows = "what is stored works"
	}
	switch {
	case !r.syncs(s):
	case reach != reconciler.Reached:
		f := site.APIFailed(in.Seen, r.runs(), "no sync run shows whether "+shows+", before it answers", "")
		f.Severity = reconciler.Warning
		return []reconciler.Finding{f}
	case seen == nil:
	case seen.Problem != "":
		f := site.Problem("connector-syncs", fmt.Sprintf("Admin does not tell of sync runs: GET %s answers %s: nothing would show that %s", r.spec.Syncs.Path, seen.Problem, shows),
			cmp.Or(seen.Hint, "look at Admin's log")+"; or correct secrets.connectors.syncs, or leave it out")
		if seen.Status >= 500 || !s.push { // it may pass, and nothing is stopped for the proof
			f.Severity = reconciler.Warning
		}
		return []reconciler.Finding{f}
	case !told(seen, s.owner):
		return []reconciler.Finding{site.Warning("connector-untold", fmt.Sprintf("Admin tells of no sync run of %s at %s: unless one comes, nothing shows that %s", s.owner.Name, r.spec.Syncs.Path, shows),
			"correct the connector's name; or run it once")}
	}
	if e := site.Answer[site.ServiceSeen](in.Seen, r.engine); s.push && r.syncs(s) && e != nil && !e.Running() {
		return []reconciler.Finding{site.Warning("connector-engine-stopped", fmt.Sprintf("service %s is not running: no sync run shows that a new value works, and it is taken back, unless something starts it", e.Name),
			"start it, and find out why it was stopped; or apply with what restarts it", r.host)}
	}
	return nil
}

// told says that Admin lists a connector where it tells of sync runs.
func told(seen *site.TrialSeen, owner site.Owner) bool {
	_, is := seen.Runs[strings.ToLower(owner.Name)]
	return is
}
