# What stands in for Windows when the script is tested on Linux, with the lab's unix.ps1 before it: a few services and accounts.
function Use-Path([string]$path) { $path }
function Use-TryService([string]$name, [bool]$logon) { if ($global:services.ContainsKey($name)) { 0 } else { 1060 } }
function Use-Identity { @{ machineGuid = 'not Windows'; computerName = [Environment]::MachineName; domain = ''; installed = [DateTime]::UnixEpoch } }
function Use-Environment([string]$service) {
    if ($service -eq '') { return $global:machineEnvironment }
    if (-not $global:services.ContainsKey($service)) { throw [ComponentModel.Win32Exception]::new(1060) }
    if ($service -eq 'mr-quick') { return $global:serviceEnvironment }
    @{}
}
function Use-Wrapped([string]$service) {
    if ($service -eq 'mr-wrapped') { @{ line = '"C:\app\app.exe" --one "two three"'; folder = 'C:\app\data'; variables = @{ MrTest__ApiKey = $global:serviceEnvironment['MrTest__ApiKey']; DOTNET_ENVIRONMENT = 'Staging' } } }
}
function Use-UserEnvironment([string]$account) { @{} }
function Use-Boot { @{ booted = [DateTime]::UtcNow.AddDays(-1); changed = [DateTime]::UtcNow.AddDays(-2) } }
$global:services = @{}
foreach ($name in 'mr-quick', 'mr-child', 'mr-slow', 'mr-refuses', 'mr-disabled', 'mr-blank', 'mr-dies', 'mr-wrapped') {
    $global:services[$name] = @{ state = 'stopped'; then = ''; at = [DateTime]::MaxValue; pid = 0; exit = 1077 }
}
$global:nextId = 100; $global:startedAt = @{}
function Use-Status([string]$name) {
    $s = $global:services[$name]
    if ($null -eq $s) { return $null }
    if ([DateTime]::UtcNow -ge $s.at) {
        $s.state = $s.then; $s.at = [DateTime]::MaxValue
        if ($s.state -eq 'stopped') { $s.pid = 0; $s.exit = 0; if ($name -eq 'mr-dies') { $s.exit = 1067 } }
        if ($s.state -eq 'running' -and $name -eq 'mr-dies') { $s.then = 'stopped'; $s.at = [DateTime]::UtcNow.AddMilliseconds(30) }
    }
    @{ state = $s.state; processId = $s.pid; exitCode = $s.exit }
}
function Use-Delay([string]$name, [int]$slow) { if ($name -eq 'mr-slow') { $slow } else { 40 } }
function Use-Start([string]$name) {
    if ($name -eq 'mr-refuses') { throw [ComponentModel.Win32Exception]::new(1053) }
    if ($name -eq 'mr-disabled') { throw [ComponentModel.Win32Exception]::new(1058) }
    $s = $global:services[$name]; $s.state = 'startPending'; $s.then = 'running'; $s.at = [DateTime]::UtcNow.AddMilliseconds((Use-Delay $name 1200))
    $s.pid = $global:nextId++; $global:startedAt[$s.pid] = [DateTime]::UtcNow
}
function Use-Stop([string]$name) {
    $s = $global:services[$name]; $s.state = 'stopPending'; $s.then = 'stopped'; $s.at = [DateTime]::UtcNow.AddMilliseconds((Use-Delay $name 4000))
}
function Use-Dependents([string]$name) { if ($name -eq 'mr-quick' -and (Use-Status 'mr-child').state -ne 'stopped') { 'mr-child' } }
$global:accounts = @{}
function Use-Config([string]$name) {
    $account = 'LocalSystem'; if ($global:accounts.ContainsKey($name)) { $account = $global:accounts[$name] }
    if (-not $global:services.ContainsKey($name)) { return @{ account = ''; startMode = ''; imagePath = '' } }
    $program = 'C:\svc\service.exe '; if ($name -eq 'mr-blank') { $program = 'C:\svc\mr blank\service.exe ' }
    @{ account = $account; startMode = 'manual'; imagePath = ($program + $name) }
}
# What Windows keeps of a password nobody can read: here it is in a file, in which the test looks.
function Use-SetLogon([string]$name, [string]$account, [byte[]]$password) {
    if ($account -eq 'MRTEST\nobody') { throw [ComponentModel.Win32Exception]::new(1057) }
    if ($name -eq 'mr-disabled') { throw [ComponentModel.Win32Exception]::new(1072) }
    $global:accounts[$name] = $account
    if ($null -eq $password) { $password = [byte[]]::new(0) }
    [IO.File]::WriteAllBytes($global:passwordFile, $password)
}
function Use-TryLogon([string]$account, [byte[]]$password) {
    $right = [Text.Encoding]::Unicode.GetBytes("as it was$([char]0)")
    if ([BitConverter]::ToString($password) -ne [BitConverter]::ToString($right)) { throw [ComponentModel.Win32Exception]::new(1326) }
    if ($account -eq 'MRTEST\barred') { throw [ComponentModel.Win32Exception]::new(1385) }
}
function Use-Logon([string]$name, [string]$account) {
    $l = @{ exists = 'yes'; right = 'yes'; locked = ''; configured = 'no'; running = ''; passwordSet = $null }
    if ($account -eq 'MRTEST\nobody') { $l.exists = 'no'; $l.right = ''; $l.configured = '' }
    if ($account -eq 'MRTEST\barred') { $l.right = 'no' }
    if ((Use-Config $name).account -eq $account) { $l.configured = 'yes' }
    $l
}
function Use-SetVariable([string]$name, [string]$value) { if ($value -eq '') { $global:machineEnvironment.Remove($name) } else { $global:machineEnvironment[$name] = $value } }
function Use-Trust([string]$path) { 0 }   # Windows alone can tell
${alias:Get-HostTrust} = 'Use-Trust'
${alias:Get-HostAcl} = 'Use-Acl'
