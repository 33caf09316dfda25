package examples_test

import (
	"encoding/json"
	"encoding/xml"
	"maps"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// What decides who runs a job, when, and with which rights, written out once more: whoever changes a pipeline's changes it here, too.
// A job's steps are tried by TestPipelines; the keys of all else are its system's.
var rights = map[string]map[string]string{
	"github-actions.yml": {
		"": `{"env":["BASE","DOCUMENT","GH_TOKEN","HEAD_SHA","IM_ROTATOR_PASSWORD","MARK","MESHROTATE_AGE_IDENTITY","PR"],"name":"rotate",
			"on":{"pull_request":{"branches":["main"],"paths":["deployments/**"],"types":["opened","synchronize","reopened","closed"]},"schedule":[{"cron":"17 2 * * *"}]},"permissions":{"contents":"read"}}`,
		"plan": `{"environment":"rotation","if":"github.event_name == 'pull_request' && github.event.action != 'closed' && github.event.pull_request.head.repo.full_name == github.repository",
			"permissions":{"contents":"read","pull-requests":"write"},"runs-on":["self-hosted","rotator"]}`,
		"apply": `{"concurrency":{"cancel-in-progress":false,"group":"rotate"},"environment":"rotation",
			"if":"github.event_name == 'pull_request' && github.event.action == 'closed' && github.event.pull_request.merged && github.event.pull_request.head.repo.full_name == github.repository",
			"permissions":{"actions":"read","contents":"read","pull-requests":"write"},"runs-on":["self-hosted","rotator"]}`,
		"drift": `{"environment":"rotation-nightly","if":"github.event_name == 'schedule'","permissions":{"contents":"read","issues":"write"},"runs-on":["self-hosted","rotator"]}`,
	},
	"gitlab-ci.yml": {
		"": `{"default":{"tags":["rotator"]},"stages":["plan","apply","drift"],"variables":{"BASE":"refs/remotes/origin/main","DOCUMENT":"deployments/contoso.yaml","GIT_DEPTH":"0","MARK":"<!-- meshrotate plan -->"}}`,
		"plan": `{"artifacts":{"expire_in":"30 days","paths":["plan.json"]},"environment":{"action":"prepare","name":"rotation"},
			"rules":[{"changes":["deployments/**/*"],"if":"$CI_PIPELINE_SOURCE == \"merge_request_event\" && $CI_MERGE_REQUEST_SOURCE_PROJECT_ID == $CI_PROJECT_ID"}],"stage":"plan"}`,
		"apply": `{"environment":"rotation","interruptible":false,"resource_group":"rotation","rules":[{"changes":["deployments/**/*"],"if":"$CI_PIPELINE_SOURCE == \"push\" && $CI_COMMIT_BRANCH == \"main\""}],"stage":"apply"}`,
		"drift": `{"environment":{"action":"verify","name":"rotation"},"rules":[{"if":"$CI_PIPELINE_SOURCE == \"schedule\""}],"stage":"drift"}`,
	},
	"azure-pipelines.yml": {
		"": `{"pool":"rotator","schedules":[{"always":true,"branches":{"include":["main"]},"cron":"17 2 * * *","displayName":"drift"}],"trigger":{"branches":{"include":["main"]},"paths":{"include":["deployments/*"]}},
			"variables":[{"name":"document","value":"deployments/contoso.yaml"},{"name":"base","value":"refs/remotes/origin/main"}]}`,
		"stage plan":       `{"condition":"and(eq(variables['Build.Reason'], 'PullRequest'), ne(variables['System.PullRequest.IsFork'], 'True'))","dependsOn":[],"jobs":["deployment plan"],"variables":[{"group":"meshrotate"}]}`,
		"deployment plan":  `{"environment":"rotation","strategy":["runOnce"]}`,
		"stage apply":      `{"condition":"eq(variables['Build.Reason'], 'IndividualCI')","dependsOn":[],"jobs":["deployment apply"],"variables":[{"group":"meshrotate"}]}`,
		"deployment apply": `{"environment":"rotation","strategy":["runOnce"]}`,
		"stage drift":      `{"condition":"eq(variables['Build.Reason'], 'Schedule')","dependsOn":[],"jobs":["job drift"],"variables":[{"group":"meshrotate-nightly"}]}`,
		"job drift":        `{}`,
	},
}

// TestPipelineRights holds each job's conditions, environment and permissions to the letter.
func TestPipelineRights(t *testing.T) {
	for file, want := range rights {
		var whole map[string]any
		if err := yaml.Unmarshal([]byte(read(t, "pipelines/"+file)), &whole); err != nil {
			t.Fatal(err)
		}
		got := map[string]map[string]any{"": whole}
		jobs := func(name string, job map[string]any) {
			for _, steps := range []string{"steps", "script"} {
				delete(job, steps)
			}
			got[name] = job
		}
		switch file {
		case "github-actions.yml":
			for name, job := range whole["jobs"].(map[string]any) {
				jobs(name, job.(map[string]any))
			}
			whole["env"] = slices.Sorted(maps.Keys(whole["env"].(map[string]any)))
		case "azure-pipelines.yml":
			for _, one := range whole["stages"].([]any) {
				stage := one.(map[string]any)
				var names []string
				for _, one := range stage["jobs"].([]any) {
					job := one.(map[string]any)
					for _, kind := range []string{"deployment", "job"} {
						if name, is := job[kind].(string); is {
							delete(job, kind)
							names = append(names, kind+" "+name)
							jobs(kind+" "+name, job)
						}
					}
					if s, is := job["strategy"].(map[string]any); is {
						job["strategy"] = slices.Sorted(maps.Keys(s))
					}
				}
				got["stage "+stage["stage"].(string)] = stage
				stage["jobs"] = names
				delete(stage, "stage")
			}
			delete(whole, "stages")
		default:
			for _, name := range []string{"plan", "apply", "drift"} {
				jobs(name, whole[name].(map[string]any))
				delete(whole, name)
			}
			delete(whole["default"].(map[string]any), "before_script")
		}
		delete(whole, "jobs")
		if g, w := slices.Sorted(maps.Keys(got)), slices.Sorted(maps.Keys(want)); !slices.Equal(g, w) {
			t.Errorf("%s: its jobs are %q, want %q", file, g, w)
		}
		for name, job := range got {
			var w any
			if err := json.Unmarshal([]byte(want[name]), &w); err != nil {
				t.Fatalf("%s, %s: %v", file, name, err)
			}
			is, err1 := json.Marshal(job)
			must, err2 := json.Marshal(w)
			if err1 != nil || err2 != nil || string(is) != string(must) {
				t.Errorf("%s, %s:\n got %s\nwant %s", file, name, is, must)
			}
		}
	}
}

// What of the Jenkinsfile is not a script, a comment or blank, in its order: its blocks, and what each may do.
const jenkins = `pipeline { agent { label 'rotator' } options { disableConcurrentBuilds() skipDefaultCheckout() } triggers { cron(env.BRANCH_NAME == 'main' ? 'H 2 * * *' : '') }
environment { DOCUMENT = 'deployments/contoso.yaml' BASE = 'refs/remotes/origin/main' ISSUES = 'https://api.github.com/repos/contoso/rotation' MARK = '<!-- meshrotate plan -->' PLANS = '/var/lib/meshrotate/plans' } stages {
stage('checkout') { steps { checkout scm sh 'git fetch --no-tags origin +refs/heads/main:refs/remotes/origin/main' } }
stage('plan') { when { beforeAgent true not { triggeredBy 'TimerTrigger' } changeRequest target: 'main' expression { !env.CHANGE_FORK } }
steps { withCredentials([string(credentialsId: 'meshrotate-age-identity', variable: 'MESHROTATE_AGE_IDENTITY'), string(credentialsId: 'im-rotator-password', variable: 'IM_ROTATOR_PASSWORD'), string(credentialsId: 'rotation-comments', variable: 'TOKEN')]) { sh SCRIPT } } }
stage('reviewed') { when { branch 'main' not { triggeredBy 'TimerTrigger' } } steps { withCredentials([string(credentialsId: 'rotation-comments', variable: 'TOKEN')]) { sh SCRIPT } } }
stage('apply') { when { branch 'main' not { triggeredBy 'TimerTrigger' } expression { sh(script: 'test -f "$PLANS/merged-$(git rev-parse HEAD).json"', returnStatus: true) == 0 } }
steps { timeout(time: 8, unit: 'HOURS') { input message: 'Apply exactly this plan?', submitter: 'rotation-approvers' }
withCredentials([string(credentialsId: 'meshrotate-age-identity', variable: 'MESHROTATE_AGE_IDENTITY'), string(credentialsId: 'im-rotator-password', variable: 'IM_ROTATOR_PASSWORD')]) { sh SCRIPT } } }
stage('drift') { when { branch 'main' triggeredBy 'TimerTrigger' }
steps { withCredentials([string(credentialsId: 'meshrotate-age-identity', variable: 'MESHROTATE_AGE_IDENTITY'), string(credentialsId: 'im-rotator-password', variable: 'IM_ROTATOR_PASSWORD'), string(credentialsId: 'rotation-comments', variable: 'TOKEN')]) { sh SCRIPT } } } } }`

// TestJenkinsfile holds its frame: no fork plans, and a plan by which something is down is not passed over on main.
func TestJenkinsfile(t *testing.T) {
	text := regexp.MustCompile(`(?s)'''\n.*?'''`).ReplaceAllString(read(t, "pipelines/Jenkinsfile"), "SCRIPT")
	text = regexp.MustCompile(`(?m)(^|\s)//.*$`).ReplaceAllString(text, "")
	if got, want := strings.Fields(text), strings.Fields(jenkins); !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, " "), strings.Join(want, " "))
	}
}

// TestTaskRights: the task runs without an administrator's rights, and every element is one of Microsoft's schema.
func TestTaskRights(t *testing.T) {
	type element struct {
		XMLName  xml.Name
		Text     string    `xml:",chardata"`
		Children []element `xml:",any"`
	}
	var task element
	if err := xml.Unmarshal([]byte(read(t, "pipelines/meshrotate-drift.xml")), &task); err != nil {
		t.Fatal(err)
	}
	var all []string
	var walk func(e element, path string)
	walk = func(e element, path string) {
		path += "/" + e.XMLName.Local
		if len(e.Children) == 0 && !strings.HasSuffix(path, "/Arguments") && !strings.HasSuffix(path, "/Description") {
			all = append(all, path+" "+e.Text)
		}
		for _, c := range e.Children {
			walk(c, path)
		}
	}
	walk(task, "")
	const daily = "/Task/Triggers/CalendarTrigger/"
	want := []string{daily + "StartBoundary 2026-01-01T02:17:00", daily + "Enabled true", daily + "RandomDelay PT10M", daily + "ScheduleByDay/DaysInterval 1",
		`/Task/Principals/Principal/UserId CONTOSO\gmsa-rotator$`, "/Task/Principals/Principal/LogonType Password", "/Task/Principals/Principal/RunLevel LeastPrivilege",
		"/Task/Settings/MultipleInstancesPolicy IgnoreNew", "/Task/Settings/DisallowStartIfOnBatteries false", "/Task/Settings/StartWhenAvailable true", "/Task/Settings/RunOnlyIfNetworkAvailable true", "/Task/Settings/ExecutionTimeLimit PT30M",
		`/Task/Actions/Exec/Command C:\Windows\System32\WindowsPowerShell\v1.0\powershell.exe`, `/Task/Actions/Exec/WorkingDirectory C:\ProgramData\meshrotate`}
	if !slices.Equal(all, want) {
		t.Errorf("got  %q\nwant %q", all, want)
	}
}

// TestOurComment: a comment that begins with the mark is updated where a bot wrote it, and nobody else's.
func TestOurComment(t *testing.T) {
	m := regexp.MustCompile(`--jq '(\.\[\] \| select\([^']*startswith[^']*)'`).FindStringSubmatch(read(t, "pipelines/github-actions.yml"))
	if m == nil {
		t.Fatal("no comment is looked for")
	}
	cmd := exec.Command(tool(t, "jq"), m[1])
	cmd.Env = []string{"MARK=<!-- mark -->"}
	cmd.Stdin = strings.NewReader(`[{"id": 1, "user": {"type": "User"}, "body": "<!-- mark -->"}, {"id": 2, "user": {"type": "Bot"}, "body": "ok"}, {"id": 3, "user": {"type": "Bot"}, "body": "<!-- mark -->\nold"}]`)
	if out, err := cmd.CombinedOutput(); err != nil || strings.TrimSpace(string(out)) != "3" {
		t.Errorf("%s, %v", out, err)
	}
}
