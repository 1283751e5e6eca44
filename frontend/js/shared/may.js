/** What the person may do with a service; the server decides, this only spares them buttons that it refuses. */

import { profile } from "/js/core/api.js";

const DEPLOYING = ["owner", "developer"];

export const mayDeploy = ({ project_id: project }) =>
  profile()?.permissions?.includes("deployments:write") &&
  profile().projects.some(({ id, role }) => id === project && DEPLOYING.includes(role));

/** Whether the project is theirs at all: an administrator sees the services of others too. */
export const isMember = ({ project_id: project }) => profile()?.projects?.some(({ id }) => id === project) ?? true;
