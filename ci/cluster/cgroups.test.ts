import { describe, expect, it } from 'vitest';
import { hierarchies, remedy } from './cgroups.ts';

describe('cgroups', () => {
  it('are one hierarchy with version 2, and one for each controller beside it with version 1', () => {
    const two =
      '25 23 0:22 / /sys rw,relatime - sysfs sysfs rw\n26 25 0:23 / /sys/fs/cgroup rw,relatime - cgroup2 cgroup2 rw\n';
    expect(hierarchies(two)).toEqual(['/sys/fs/cgroup']);
    const mixed = [
      '31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755',
      '32 31 0:29 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu',
      '35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory',
      '41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw',
    ];
    const folders = ['/sys/fs/cgroup/cpu', '/sys/fs/cgroup/memory', '/sys/fs/cgroup/unified'];
    expect(hierarchies(mixed.join('\n'))).toEqual(folders);
  });

  it('of a container whose processes stand in its root are explained', () => {
    expect(remedy(Object.assign(new Error(), { code: 'EBUSY' }))).toContain('mkdir /sys/fs/cgroup/own; for id in');
    expect(remedy(Object.assign(new Error(), { code: 'EROFS' }))).not.toContain('mkdir');
  });
});
