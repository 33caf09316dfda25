# What stands in for Windows wherever the host script runs on Linux. Files are real, and what is asked of them is answered here;
# what services, accounts and settings are is answered by functions that stand beside this file.
function Use-Acl([string]$path) { [IO.File]::GetUnixFileMode($path) }
function New-LinuxFile([string]$path, [string]$like) {
    $options = [IO.FileStreamOptions]::new()
    $options.Mode = [IO.FileMode]::CreateNew; $options.Access = [IO.FileAccess]::Write; $options.Share = [IO.FileShare]::None
    $mode = [IO.UnixFileMode]'UserRead, UserWrite'; if ($like -ne '') { $mode = Use-Acl $like }
    $options.UnixCreateMode = $mode
    $f = [IO.FileStream]::new($path, $options)
    [IO.File]::SetUnixFileMode($path, $mode)   # whatever this process's umask took away
    $f
}
# .NET does not tell it.
function Use-Changed($f) {
    $start = [Diagnostics.ProcessStartInfo]::new('stat', [string[]]@('-L', '-c', '%.9Z', '--', $f.Name)); $start.RedirectStandardOutput = $true
    $p = [Diagnostics.Process]::Start($start); $text = $p.StandardOutput.ReadToEnd(); $p.Dispose()
    [DateTime]::UnixEpoch.AddTicks([long](10000000 * [decimal]::Parse($text, [Globalization.CultureInfo]::InvariantCulture)))
}
function Use-Access([string]$path) {
    $open = 'no'; if ((Use-Acl $path) -band [IO.UnixFileMode]::OtherRead) { $open = 'yes' }
    @{ owner = 'S-1-5-18'; usersCanRead = $open }
}
function Use-Rights([string]$path) {
    if (-not [IO.File]::Exists($path) -and -not [IO.Directory]::Exists($path)) { return }
    $mode = [IO.File]::GetUnixFileMode($path); $rights = 0
    if ($mode -band [IO.UnixFileMode]::OtherRead) { $rights = 1 }
    if ($mode -band [IO.UnixFileMode]::OtherWrite) { $rights = $rights -bor 2 }
    $rights
}
function Use-TryFile([string]$path) { 0 }   # nothing is enforced here that a probe could meet
function Use-TryFolder([string]$path) { if ([IO.Directory]::Exists($path)) { 0 } else { 3 } }
function Use-Profile([string]$account) { '' }
function Use-ProcessStart([int]$id) { $global:startedAt[$id] }
function Use-HostStart([string]$service, [string]$account) { @{ needs = @(); registered = $null; userChanged = $null } }
function Use-Needs([string]$service) { }
function Use-Auditing { @{ commandLines = 'no'; sysmon = 'no' } }
function Use-Logging { @{ scripts = 'no'; modules = 'no'; transcripts = 'no' } }
# .NET has no store of the machine's own certificates here: a user's stands in.
function Use-Store([string]$store, [string]$flags) {
    $name = $store.Split('\')[1]
    $opened = [Security.Cryptography.X509Certificates.X509Store]::new($name, [Security.Cryptography.X509Certificates.StoreLocation]::CurrentUser)
    # A store that is not there has no number of its own here; Windows says ERROR_FILE_NOT_FOUND.
    if ($flags -like '*OpenExistingOnly' -and -not [IO.Directory]::Exists([IO.Path]::Combine($HOME, '.dotnet/corefx/cryptography/x509stores', $name.ToLowerInvariant()))) { throw [IO.FileNotFoundException]::new($name) }
    $opened.Open([Security.Cryptography.X509Certificates.OpenFlags]$flags)
    $opened
}
function Use-TryEnvironment { 0 }
function Use-KeyPlace([string]$store) { 'UserKeySet' }
function Use-Shell([string]$script) { @{ program = '/bin/sh'; arguments = '-c "read go; exec /bin/sh ''' + $script + '''"' } }
function Use-Job($process) { $process }
function Use-StopJob($job) { try { $job.Kill($true) } catch { } }

${alias:Open-HostStore} = 'Use-Store'
${alias:Get-HostKeyPlace} = 'Use-KeyPlace'
${alias:Test-HostEnvironment} = 'Use-TryEnvironment'
${alias:Set-HostVariable} = 'Use-SetVariable'
${alias:Get-HostShell} = 'Use-Shell'
${alias:New-HostJob} = 'Use-Job'
${alias:Stop-HostJob} = 'Use-StopJob'
${alias:Get-HostLogging} = 'Use-Logging'
${alias:Get-HostRights} = 'Use-Rights'
${alias:Get-HostAuditing} = 'Use-Auditing'
${alias:Resolve-HostPath} = 'Use-Path'
${alias:New-HostFile} = 'New-LinuxFile'
${alias:Get-HostFileChanged} = 'Use-Changed'
${alias:Get-HostAccess} = 'Use-Access'
${alias:Test-HostFile} = 'Use-TryFile'
${alias:Test-HostFolder} = 'Use-TryFolder'
${alias:Test-HostService} = 'Use-TryService'
${alias:Get-HostIdentity} = 'Use-Identity'
${alias:Get-HostEnvironment} = 'Use-Environment'
${alias:Get-HostWrapped} = 'Use-Wrapped'
${alias:Get-HostUserEnvironment} = 'Use-UserEnvironment'
${alias:Get-HostProfile} = 'Use-Profile'
${alias:Get-HostStart} = 'Use-HostStart'
${alias:Get-HostNeeds} = 'Use-Needs'
${alias:Get-HostBoot} = 'Use-Boot'
${alias:Get-HostServiceStatus} = 'Use-Status'
${alias:Get-HostServiceConfig} = 'Use-Config'
${alias:Get-HostServiceDependents} = 'Use-Dependents'
${alias:Start-HostService} = 'Use-Start'
${alias:Stop-HostService} = 'Use-Stop'
${alias:Set-HostServiceLogon} = 'Use-SetLogon'
${alias:Test-HostLogon} = 'Use-TryLogon'
${alias:Get-HostLogon} = 'Use-Logon'
${alias:Get-HostProcessStart} = 'Use-ProcessStart'
