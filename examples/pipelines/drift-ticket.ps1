# Runs the command that it is given, `meshrotate drift ...`, and keeps one issue open until there is no drift any more:
# C:\Program Files\meshrotate\drift-ticket.ps1, for meshrotate-drift.xml. For Windows PowerShell 5.1 and later.
#
# $issues is the repository in which the issue is, on GitHub, and $document is in its title. Make the label "drift" there once. The token is
# in a file that only the task's account may read: a fine-grained one that may write issues in that repository, and nothing else.
$issues = 'https://api.github.com/repos/contoso/rotation'
$document = 'deployments/contoso.yaml'
$tokenFile = 'C:\ProgramData\meshrotate\secrets\ticket-token'

$ErrorActionPreference = 'Stop'
[Net.ServicePointManager]::SecurityProtocol = [Net.ServicePointManager]::SecurityProtocol -bor [Net.SecurityProtocolType]::Tls12

# What it writes is UTF-8, whatever the console's code page is.
$start = New-Object Diagnostics.ProcessStartInfo
$start.FileName = $args[0]
$start.Arguments = ($args[1..($args.Count - 1)] | ForEach-Object { if ($_ -match '\s') { '"' + $_ + '"' } else { $_ } }) -join ' '
$start.UseShellExecute = $false
$start.RedirectStandardOutput = $true
$start.RedirectStandardError = $true
$start.StandardOutputEncoding = [Text.Encoding]::UTF8
$start.StandardErrorEncoding = [Text.Encoding]::UTF8
$run = [Diagnostics.Process]::Start($start)
$errors = $run.StandardError.ReadToEndAsync()
$report = $run.StandardOutput.ReadToEnd()
$run.WaitForExit()
$report
$errors.Result
if ($run.ExitCode -ne 0 -and $run.ExitCode -ne 2) {
    $last = $errors.Result.TrimEnd()
    $lines = @($last.Substring([Math]::Max(0, $last.Length - 2000)) -split "`r?`n")
    $lines = $lines[[Math]::Max(0, $lines.Count - 20)..($lines.Count - 1)]
    $report += "`nWhat it said:`n`n" + (($lines | ForEach-Object { "    $_`n" }) -join '')
}

function New-Client {
    $client = New-Object Net.WebClient
    $client.Encoding = [Text.Encoding]::UTF8
    $client.Headers['Authorization'] = 'Bearer ' + [IO.File]::ReadAllText($tokenFile).Trim()
    $client.Headers['Accept'] = 'application/vnd.github+json'
    $client.Headers['User-Agent'] = 'meshrotate' # GitHub refuses who has none
    $client
}
function Send-Issue($method, $path, $body) {
    $client = New-Client
    $client.Headers['Content-Type'] = 'application/json'
    $null = $client.UploadData("$issues/issues$path", $method, [Text.Encoding]::UTF8.GetBytes((ConvertTo-Json $body)))
}
$title = "Drift: $document"
$open = ConvertFrom-Json (New-Client).DownloadString("$issues/issues?state=open&labels=drift&per_page=100")
# Others with that label, and pull requests, are other people's.
$issue = $open | Where-Object { $_.title -ceq $title -and -not $_.pull_request } | Select-Object -First 1
$drift = @{ title = $title; body = $report; labels = @('drift') }
if ($run.ExitCode -eq 0) {
    if ($issue) { Send-Issue 'PATCH' "/$($issue.number)" @{ state = 'closed' } }
} elseif ($issue) {
    Send-Issue 'PATCH' "/$($issue.number)" $drift
} else {
    Send-Issue 'POST' '' $drift
}
exit $run.ExitCode
